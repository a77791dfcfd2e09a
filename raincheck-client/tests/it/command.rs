//! Command workers: outcome, input, result, log, progress, stopping.

use std::time::Duration;

use raincheck_client::run::command::Command;
use tokio_util::sync::CancellationToken;

use crate::{
    mock::{Job, Mock},
    support::{Running, SUPERVISOR, ended, eventually, family, is_alive, kept, outcome, pids, shell, worker},
};

fn result(job: &Job) -> (&str, &[u8]) {
    let (content_type, bytes) = job.result.as_ref().expect("a result");
    (content_type, bytes)
}

#[tokio::test]
async fn exit_0_succeeds_with_stdout() {
    let mock = Mock::start();
    let id = mock.json("k", r#"{"n": [1,  2]}"#);
    let job = outcome(&mock, shell("cat"), id).await;
    assert_eq!((job.state.as_str(), result(&job)), ("succeeded", ("application/json", &br#"{"n":[1,2]}"#[..])));
}

#[tokio::test]
async fn the_type_of_stdout_is_found_by_looking() {
    let mock = Mock::start();
    for (script, content_type) in [
        ("printf 'just text'", "text/plain; charset=utf-8"),
        (r"printf '\377\376\000'", "application/octet-stream"),
        (r#"printf '{"a":"'; head -c 100000 /dev/zero | tr '\0' x; printf '"}'"#, "application/json"),
    ] {
        let id = mock.json("k", "1");
        assert_eq!(result(&outcome(&mock, shell(script), id).await).0, content_type);
    }
    // What the server would not take for JSON is none, however long it is.
    for (pad, brackets) in [(0, 128), (100_000, 128), (0, 129), (100_000, 129)] {
        let pad = format!("head -c {pad} /dev/zero | tr '\\0' ' '");
        let script = format!(
            "printf '%{brackets}s' | tr ' ' '['; printf '\"}}[{{\"'; {pad}; printf '%{brackets}s' | tr ' ' ']'"
        );
        let id = mock.json("k", "1");
        let content_type = if brackets == 128 { "application/json" } else { "text/plain; charset=utf-8" };
        assert_eq!(result(&outcome(&mock, shell(&script), id).await).0, content_type, "{script}");
        let id = mock.json("k", "1");
        let latin = format!(r#"printf '["M\374ller"'; {pad}; printf ']'"#);
        assert_eq!(result(&outcome(&mock, shell(&latin), id).await).0, "application/octet-stream", "{latin}");
    }
    let id = mock.json("k", "1");
    let job = outcome(&mock, shell("true"), id).await;
    assert_eq!((job.state.as_str(), job.result), ("succeeded", None));
}

#[tokio::test]
async fn the_result_file_wins_and_may_be_described() {
    let mock = Mock::start();
    let id = mock.json("k", "1");
    let script = r#"echo noise; printf 'a,b' > "$RAINCHECK_RESULT"
        printf '{"content_type":"text/csv","filename":"täble \\"1\\".csv"}' > "$RAINCHECK_RESULT_META""#;
    let job = outcome(&mock, shell(script), id).await;
    assert_eq!(result(&job), ("text/csv", &b"a,b"[..]));
    let disposition = job.disposition.unwrap();
    assert!(disposition.ends_with("filename*=UTF-8''t%C3%A4ble%20%221%22.csv"), "{disposition}");
}

#[tokio::test]
async fn a_bad_description_of_the_result_fails_the_run() {
    let mock = Mock::start();
    let id = mock.json("k", "1");
    let job = outcome(&mock, shell("echo x; echo 'not json' > \"$RAINCHECK_RESULT_META\""), id).await;
    assert_eq!((job.state.as_str(), &job.failure.unwrap()["retryable"]), ("failed", &false.into()));
}

#[tokio::test]
async fn a_result_that_the_server_refuses_fails_the_job_for_good() {
    let mock = Mock::start();
    let id = mock.json("k", "1");
    let script = r#"echo x; echo '{"content_type":"too/large"}' > "$RAINCHECK_RESULT_META""#;
    let failure = outcome(&mock, shell(script), id).await.failure.unwrap();
    assert_eq!((&failure["error"]["type"], &failure["retryable"]), (&"result-too-large".into(), &false.into()));
}

#[tokio::test]
async fn exit_codes_say_whether_to_try_again() {
    let mock = Mock::start();
    for (script, retryable) in
        [("exit 75", true), ("exit 9", true), ("exit 1", false), ("kill -9 $$", true), ("kill -SEGV $$", true)]
    {
        let id = mock.json("k", "1");
        let job = outcome(&mock, shell(script).retry_on([9]), id).await;
        assert_eq!((job.state.as_str(), &job.failure.unwrap()["retryable"]), ("failed", &retryable.into()), "{script}");
    }
}

#[tokio::test]
async fn stderr_is_the_log_and_its_end_the_detail() {
    let mock = Mock::start();
    let id = mock.json("k", "1");
    let job = outcome(&mock, shell("for i in $(seq 1 40); do echo line $i >&2; done; exit 3"), id).await;
    let log = String::from_utf8(job.log).unwrap();
    assert!(log.starts_with("line 1\nline 2\n") && log.ends_with("line 40\n"), "{log}");
    let failure = job.failure.unwrap();
    let detail = failure["error"]["detail"].as_str().unwrap();
    assert!(detail.starts_with("line 31\n") && detail.ends_with("line 40"), "{detail}");
    assert_eq!(failure["error"]["title"], "the program exited with 3");
}

#[tokio::test]
async fn lines_on_descriptor_3_are_progress() {
    let mock = Mock::start();
    let id = mock.json("k", "1");
    let dir = tempfile::tempdir().unwrap();
    let go = dir.path().join("go");
    let script = format!(
        r#"echo '{{"percent":12.5,"message":"first"}}' >&3; echo garbage >&3
        while [ ! -e {} ]; do sleep 0.02; done; echo '{{"percent":99}}' >&3"#,
        go.display()
    );
    let running = Running::start(worker(&mock).kind("k", shell(&script).build().unwrap()));
    eventually("progress arrives while it runs", || !mock.job(id).progress.is_empty()).await;
    assert_eq!(mock.job(id).progress[0], serde_json::json!({"percent": 12.5, "message": "first"}));
    std::fs::write(go, "").unwrap();
    eventually("it ends", || mock.job(id).state == "succeeded").await;
    assert_eq!(mock.job(id).progress.last().unwrap()["percent"], 99.0);
    running.drain().await;
}

#[tokio::test]
async fn hostile_input_is_data() {
    let mock = Mock::start();
    let dir = tempfile::tempdir().unwrap();
    let mut large = vec![0; 10 << 20];
    large.iter_mut().enumerate().for_each(|(i, byte)| *byte = (i * 7) as u8);
    for payload in [&b"\"; touch x"[..], b"$(touch x)", b"`touch x`", b"--flag", b"a\0b\nc\r", b"", &large] {
        let id = mock.bytes("k", "application/x-anything", payload);
        let command = Command::builder("cat", [] as [&str; 0]).supervisor(SUPERVISOR).directory(dir.path());
        let job = outcome(&mock, command, id).await;
        assert_eq!(job.result.unwrap_or_default().1, payload);
        // The file says the same as standard input.
        let id = mock.bytes("k", "application/x-anything", payload);
        let job = outcome(&mock, shell(r#"cat "$RAINCHECK_INPUT""#).directory(dir.path()), id).await;
        assert_eq!(job.result.unwrap_or_default().1, payload);
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nothing was touched");
}

#[tokio::test]
async fn hostile_facts_are_data() {
    let mock = Mock::start();
    let tags = [("a-b".to_owned(), "$(exit 1)\0;".to_owned()), ("x=y".to_owned(), "\"".to_owned())];
    let id = mock.add(Job {
        kind: "k".into(),
        label: Some("`false`\nx".into()),
        tags: tags.into(),
        inline: Some("\"in\"".into()),
        ..Job::default()
    });
    let script = r#"printf '%s|%s|%s|%s|%s|%s|%s' "$RAINCHECK_JOB" "$RAINCHECK_KIND" "$RAINCHECK_ATTEMPT" \
        "$RAINCHECK_LABEL" "$RAINCHECK_TAG_A_B" "$RAINCHECK_TAG_X_Y" "$RAINCHECK_CONTENT_TYPE""#;
    let job = outcome(&mock, shell(script), id).await;
    let expected = format!("{id}|k|1|`false`\nx|$(exit 1);|\"|application/json");
    assert_eq!(String::from_utf8_lossy(result(&job).1), expected);
}

/// What a shell could not tell apart is whole in one place, and nowhere else.
#[tokio::test]
async fn tags_that_have_one_variable_have_none() {
    let mock = Mock::start();
    let tags = [("kunde:id", "1"), ("kunde.id", "2"), ("Kunde", "3"), ("s", "")];
    let tags: std::collections::BTreeMap<_, _> = tags.map(|(name, value)| (name.into(), value.into())).into();
    let id = mock.add(Job {
        kind: "k".into(),
        tags: tags.clone().into_iter().collect(),
        inline: Some("1".into()),
        ..Job::default()
    });
    let script = r#"printf '%s|%s|%s|%s' "${RAINCHECK_TAG_KUNDE_ID-none}" "$RAINCHECK_TAG_KUNDE" "${RAINCHECK_TAG_S-none}" \
        "$RAINCHECK_TAGS""#;
    let job = outcome(&mock, shell(script), id).await;
    let said = String::from_utf8_lossy(result(&job).1).into_owned();
    let all = said.strip_prefix("none|3||").unwrap_or_else(|| panic!("{said}"));
    assert_eq!(serde_json::from_str::<std::collections::BTreeMap<String, String>>(all).unwrap(), tags);
}

#[tokio::test]
async fn a_program_need_not_read_and_output_need_not_fit_in_memory() {
    let mock = Mock::start();
    let id = mock.bytes("k", "application/octet-stream", &vec![b'x'; 10 << 20]);
    let job = outcome(&mock, shell("exec <&-; head -c 20000000 /dev/zero"), id).await;
    assert_eq!(result(&job).1.len(), 20_000_000);
}

#[tokio::test]
async fn a_stream_is_live() {
    let mock = Mock::start();
    let id = mock.json("k", "1");
    let dir = tempfile::tempdir().unwrap();
    let go = dir.path().join("go");
    let script = format!("echo one; while [ ! -e {} ]; do sleep 0.02; done; echo two", go.display());
    let running = Running::start(worker(&mock).kind("k", shell(&script).stream("text/plain").build().unwrap()));
    eventually("the first line arrives while it runs", || mock.job(id).stream == b"one\n").await;
    assert_eq!(mock.job(id).state, "running");
    std::fs::write(go, "").unwrap();
    eventually("it ends", || mock.job(id).state == "succeeded").await;
    let job = mock.job(id);
    assert_eq!((job.stream.as_slice(), job.stream_type.as_deref()), (&b"one\ntwo\n"[..], Some("text/plain")));
    assert_eq!(job.result, None);
    running.drain().await;
}

#[tokio::test]
async fn cancel_ends_the_whole_family() {
    let mock = Mock::start();
    let id = mock.json("k", "1");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pids");
    let running = Running::start(worker(&mock).kind("k", shell(&family(&file)).build().unwrap()));
    let pids = pids(&file, 3).await;
    mock.cancel(id);
    eventually("it is canceled", || mock.job(id).state == "canceled").await;
    eventually("all are gone", || !pids.iter().any(|pid| is_alive(pid))).await;
    running.drain().await;
}

#[tokio::test]
async fn a_lost_lease_ends_the_whole_family_and_reports_nothing() {
    let mock = Mock::start();
    let id = mock.json("k", "1");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pids");
    let running = Running::start(worker(&mock).kind("k", shell(&family(&file)).build().unwrap()));
    let pids = pids(&file, 3).await;
    mock.lose(id);
    eventually("all are gone", || !pids.iter().any(|pid| is_alive(pid))).await;
    running.drain().await;
    assert_eq!((mock.job(id).state.as_str(), mock.job(id).ends), ("lost", 0));
}

#[tokio::test]
async fn sigterm_comes_first() {
    let mock = Mock::start();
    let id = mock.json("k", "1");
    let script = "trap 'echo cleaned up >&2; exit 0' TERM; echo ready >&2; while :; do sleep 0.02; done";
    let command = shell(script).kill_after(Duration::from_secs(60));
    let running = Running::start(worker(&mock).kind("k", command.build().unwrap()));
    eventually("it runs", || mock.job(id).log == b"ready\n").await;
    mock.cancel(id);
    eventually("it is canceled", || mock.job(id).state == "canceled").await;
    assert!(mock.job(id).log.ends_with(b"cleaned up\n"), "it had the time to clean up");
    running.drain().await;
}

/// What a program writes while it is being stopped is what tells why it hung.
#[tokio::test]
async fn the_log_is_kept_to_its_end_however_a_run_is_stopped() {
    let last = "trap 'echo note; echo cleaned up >&2; exit 0' TERM; echo ready >&2; while :; do sleep 0.02; done";
    let (once, warm) = (format!("exec >&2; {last}"), format!("ask; {last}"));
    for (kind, command) in [("once", shell(&once)), ("kept", kept(&warm))] {
        let mock = Mock::start();
        let command = command.kill_after(Duration::from_secs(60));
        let running = Running::start(worker(&mock).kind(kind, command.build().unwrap()));
        let (canceled, lost) = (mock.json(kind, "1"), mock.json(kind, "2"));
        for id in [canceled, lost] {
            eventually("it runs", || mock.job(id).log == b"ready\n").await;
            if id == lost {
                mock.lose(id)
            } else {
                mock.cancel(id)
            }
            eventually("its log is whole", || {
                let log = String::from_utf8(mock.job(id).log).unwrap();
                ["note\n", "cleaned up\n"].iter().all(|line| log.contains(line))
            })
            .await;
        }
        running.drain().await;
        assert_eq!(mock.job(lost).ends, 0, "{kind}");
    }
}

#[tokio::test]
async fn what_a_program_leaves_behind_ends_with_it() {
    let mock = Mock::start();
    let id = mock.json("k", "1");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pids");
    let script =
        format!("({}) & while [ $(wc -l < {}) -lt 3 ]; do sleep 0.02; done; echo 1", family(&file), file.display());
    let script = format!("touch {}; {script}", file.display());
    let job = outcome(&mock, shell(&script), id).await;
    assert_eq!(job.state, "succeeded");
    let pids = pids(&file, 3).await;
    eventually("all are gone", || !pids.iter().any(|pid| is_alive(pid))).await;
}

#[tokio::test]
async fn scratch_is_private_and_removed() {
    let mock = Mock::start();
    let id = mock.json("k", "1");
    let dir = tempfile::tempdir().unwrap();
    let script =
        r#"touch "$RAINCHECK_TMP/x"; stat -c %a "$(dirname "$RAINCHECK_TMP")"; pwd; env | grep -c RAINCHECK_TOKEN"#;
    let command = shell(&format!("{script}; true")).scratch(dir.path()).variable("X", "y");
    let job = outcome(&mock, command, id).await;
    let cwd = std::env::current_dir().unwrap();
    assert_eq!(String::from_utf8_lossy(result(&job).1), format!("700\n{}\n0\n", cwd.display()));
    // By the worker or by the supervisor, whoever is first.
    crate::support::eventually("it is removed", || std::fs::read_dir(dir.path()).unwrap().count() == 0).await;
}

#[test]
fn a_program_that_is_not_there_is_refused_at_once() {
    assert!(Command::builder("no-such-program-at-all", ["x"]).build().is_err());
    assert!(Command::builder("/etc/passwd", ["x"]).build().is_err());
}

#[tokio::test]
async fn what_was_told_to_stop_is_killed_when_there_is_no_more_time() {
    let (mock, dir, hurry) = (Mock::start(), tempfile::tempdir().unwrap(), CancellationToken::new());
    let file = dir.path().join("pids");
    let patient = shell(&family(&file)).kill_after(Duration::from_secs(600)).kill_on(hurry.clone());
    let running = Running::start(worker(&mock).kind("k", patient.build().unwrap()));
    let id = mock.json("k", "1");
    let pids = pids(&file, 3).await;
    mock.cancel(id);
    hurry.cancel();
    assert_eq!(ended(&mock, id).await.state, "canceled");
    eventually("all are gone", || !pids.iter().any(|pid| is_alive(pid))).await;
    running.drain().await;
}
