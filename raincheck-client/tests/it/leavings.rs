//! What programs leave behind: whatever it is, it costs their own run at most.

use std::{os::unix::fs::MetadataExt as _, sync::Arc};

use raincheck_client::{
    client::ResultBody,
    run::{Outcome, Task, function},
};

use crate::{
    mock::{Job, Mock},
    support::{Running, ended, eventually, shell, worker},
};

/// Each leaves something odd where its result or the description of it should be; what its run is then.
const ODD: &[(&str, &str)] = &[
    (r#"mkfifo "$RAINCHECK_RESULT""#, "invalid-result"),
    (r#"mkdir "$RAINCHECK_RESULT""#, "invalid-result"),
    (r#"ln -s /nowhere/at/all "$RAINCHECK_RESULT""#, "invalid-result"),
    (r#"ln -s "$RAINCHECK_RESULT" "$RAINCHECK_RESULT""#, "invalid-result"),
    (r#"ln -s /etc/passwd "$RAINCHECK_RESULT""#, "invalid-result"),
    (r#"ln -s /dev/zero "$RAINCHECK_RESULT""#, "invalid-result"),
    (r#"ln -s /dev/full "$RAINCHECK_RESULT""#, "invalid-result"),
    (r#"ln -s /proc/self/mem "$RAINCHECK_RESULT""#, "invalid-result"),
    (r#"mkfifo p; ln -s "$PWD/p" "$RAINCHECK_RESULT"; rm p"#, "invalid-result"),
    (r#"echo 1 > "$RAINCHECK_RESULT"; rm "$RAINCHECK_RESULT"; mkdir -p "$RAINCHECK_RESULT/a/b""#, "invalid-result"),
    (r#"truncate -s 8G "$RAINCHECK_RESULT""#, "result-too-large"),
    (r#"ln "$RAINCHECK_INPUT" "$RAINCHECK_RESULT""#, "input"),
    (r#"printf input > "$RAINCHECK_RESULT"; chmod 4755 "$RAINCHECK_RESULT""#, "input"),
    (
        r#"printf input; touch "$(dirname "$RAINCHECK_TMP")/a
b" "$RAINCHECK_TMP/--" "$RAINCHECK_TMP/*""#,
        "input",
    ),
    (
        r#"printf input; mkdir -p "$RAINCHECK_TMP/a/b/c/d/e/f/g/h"; chmod 0 "$RAINCHECK_TMP/a/b" "$RAINCHECK_TMP/a""#,
        "input",
    ),
    (r#"printf input; rmdir "$RAINCHECK_TMP"; ln -s / "$RAINCHECK_TMP""#, "input"),
    (r#"printf input; rm -r "$(dirname "$RAINCHECK_TMP")""#, "scratch-gone"),
    (r#"echo noise; cat > "$RAINCHECK_RESULT"; rm -r "$(dirname "$RAINCHECK_RESULT")""#, "scratch-gone"),
    (r#"printf input; d=$(dirname "$RAINCHECK_TMP"); mv "$d" "$d.moved"; ln -s "$PWD/precious" "$d""#, "input"),
    (r#"printf input; mkfifo "$RAINCHECK_TMP/p" "$(dirname "$RAINCHECK_TMP")/q""#, "input"),
    (r#"mkfifo "$RAINCHECK_RESULT_META""#, "invalid-result"),
    (r#"mkdir "$RAINCHECK_RESULT_META""#, "invalid-result"),
    (r#"ln -s /dev/zero "$RAINCHECK_RESULT_META""#, "invalid-result"),
    (r#"truncate -s 8G "$RAINCHECK_RESULT_META""#, "invalid-result"),
    (r#"head -c 20000 /dev/zero | tr '\0' ' ' > "$RAINCHECK_RESULT_META""#, "invalid-result"),
    (r#"printf '{"filename":"a\\nb"}' > "$RAINCHECK_RESULT_META""#, "invalid-result"),
];

fn is(job: &Job) -> String {
    match (&job.failure, &job.result) {
        (Some(failure), _) => failure["error"]["type"].as_str().unwrap().to_owned(),
        (None, Some((_, bytes))) => String::from_utf8_lossy(bytes).into_owned(),
        (None, None) => job.state.clone(),
    }
}

#[tokio::test]
async fn odd_files_cost_their_own_run_at_most() {
    let mock = Mock::start();
    let (home, parent) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::create_dir_all(home.path().join("precious/tmp")).unwrap();
    std::fs::write(home.path().join("precious/tmp/file"), "").unwrap();
    for (number, (script, expected)) in ODD.iter().enumerate() {
        let command = shell(script).directory(home.path()).scratch(parent.path());
        let running = Running::start(worker(&mock).kind(format!("k{number}"), command.build().unwrap()));
        // Twice, because the directory of a program is used again.
        for _ in 0..2 {
            let id = mock.bytes(&format!("k{number}"), "text/plain", b"input");
            let job = ended(&mock, id).await;
            assert_eq!(&is(&job), expected, "{script}: {:?}", job.failure);
        }
        running.drain().await;
    }
    assert!(home.path().join("precious/tmp/file").exists(), "nothing is removed through a link");
    let left = || std::fs::read_dir(parent.path()).unwrap().map(|entry| entry.unwrap().file_name());
    eventually("the rest is removed", || left().all(|name| name.to_string_lossy().ends_with(".moved"))).await;
}

#[tokio::test]
async fn a_result_that_nobody_may_read_fails_unless_everything_may() {
    let mock = Mock::start();
    let script = r#"printf input > "$RAINCHECK_RESULT"; chmod 0 "$RAINCHECK_RESULT""#;
    let running = Running::start(worker(&mock).kind("k", shell(script).build().unwrap()));
    let id = mock.json("k", "1");
    let expected = if std::fs::metadata("/proc/self").unwrap().uid() == 0 { "input" } else { "invalid-result" };
    assert_eq!(is(&ended(&mock, id).await), expected);
    running.drain().await;
}

/// A file that grows while it is sent, and one that shrinks.
#[tokio::test]
async fn a_file_that_changes_while_it_is_sent() {
    let mock = Mock::start();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, [7; 1_000_000]).unwrap();
    let file = Arc::new(std::fs::File::open(&path).unwrap());
    let runner = function(move |task: Task| {
        let file = file.clone();
        async move {
            let size = task.input_as::<u64>().await?;
            let content_type = "application/x-anything".into();
            Ok::<_, raincheck_client::Error>(Outcome::Complete(ResultBody::OpenFile {
                file,
                size,
                content_type,
                filename: None,
            }))
        }
    });
    let running = Running::start(worker(&mock).kind("k", runner));
    for (size, kept) in [("400000", Some(400_000)), ("1000000", Some(1_000_000)), ("1000001", None)] {
        let id = mock.json("k", size);
        let job = ended(&mock, id).await;
        assert_eq!(job.result.as_ref().map(|(_, bytes)| bytes.len()), kept);
        if kept.is_none() {
            let failure = job.failure.unwrap();
            assert_eq!((&failure["error"]["type"], &failure["retryable"]), (&"result-refused".into(), &false.into()));
            let detail = failure["error"]["detail"].as_str().unwrap();
            assert!(detail.ends_with("it became 1 bytes shorter while it was sent"), "{detail}");
        }
    }
    running.drain().await;
}
