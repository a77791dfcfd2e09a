//! What programs write: all of it in its order, up to the limits, and never cut in silence.

use raincheck_client::run::{Task, function};

use crate::{
    mock::{Job, Limits, Mock},
    support::{Running, ended, eventually, is_alive, kept, outcome, pids, shell, worker},
};

const MANY_LINES: &str = "for i in $(seq 1 3000); do echo line $i >&2; done; echo END >&2";

fn many_lines() -> String {
    (1..=3000).map(|line| format!("line {line}\n")).collect::<String>() + "END\n"
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn failure(job: &Job) -> (&str, &str) {
    let failure = job.failure.as_ref().expect("a failure");
    assert_eq!(failure["retryable"], false);
    (failure["error"]["type"].as_str().unwrap(), failure["error"]["title"].as_str().unwrap())
}

#[tokio::test]
async fn standard_output_by_any_of_its_names_is_one() {
    let mock = Mock::start();
    for (script, expected) in [
        ("echo first; echo second > /dev/stdout; echo third", "first\nsecond\nthird\n"),
        ("echo first; echo second >> /dev/stdout; echo third >> /proc/self/fd/1", "first\nsecond\nthird\n"),
        (
            "echo first; : > /dev/stdout; echo second | tee /dev/stderr; echo third | tee /dev/stdout",
            "first\nsecond\nthird\nthird\n",
        ),
        (
            "echo first; (echo second > /dev/fd/1; sh -c 'echo third > /dev/stdout'); echo fourth",
            "first\nsecond\nthird\nfourth\n",
        ),
        ("(for i in 1 2 3; do echo child; done) & wait; echo parent > /dev/stdout", "child\nchild\nchild\nparent\n"),
        ("exec 5> /dev/stdout; echo first >&5; echo second; echo third >&5", "first\nsecond\nthird\n"),
        (
            "dd if=/dev/zero bs=70000 count=3 2>/dev/null | tr '\\0' x > /dev/stdout; echo > /dev/stdout",
            &format!("{}\n", "x".repeat(210_000)),
        ),
    ] {
        let id = mock.json("k", "1");
        let job = outcome(&mock, shell(script), id).await;
        assert_eq!(text(&job.result.expect("a result").1), expected, "{script}");
    }
}

#[tokio::test]
async fn a_log_is_whole_however_fast_it_comes() {
    let mock = Mock::start();
    let logs = function(|task: Task| async move {
        for line in many_lines().lines() {
            task.log(line);
        }
    });
    let script = format!("ask; {MANY_LINES}; say '\"result\":1'; read -r line");
    let running = Running::start(
        worker(&mock)
            .kind("once", shell(MANY_LINES).build().unwrap())
            .kind("stream", shell(MANY_LINES).stream("text/plain").build().unwrap())
            .kind("kept", kept(&script).build().unwrap())
            .kind("function", logs),
    );
    for kind in ["once", "stream", "kept", "function"] {
        let id = mock.json(kind, "1");
        let job = ended(&mock, id).await;
        assert_eq!((job.state.as_str(), text(&job.log)), ("succeeded", many_lines()), "{kind}");
    }
    running.drain().await;
}

#[tokio::test]
async fn a_program_waits_for_a_server_that_is_slow_to_take_its_log() {
    let mock = Mock::start();
    mock.table().log_is_slow = true;
    let script = "i=0; while [ $i -lt 40 ]; do head -c 50000 /dev/zero | tr '\\0' $((i % 10)); i=$((i+1)); done";
    // To a kept program's output, one line; an answer begins with a brace, as this does not.
    let warm = format!("ask; {script}; echo; say '\"result\":1'; read -r line");
    let (once, warm) = (shell(&format!("exec >&2; {script}")), kept(&warm));
    for (kind, command, end) in [("once", once, ""), ("kept", warm, "\n")] {
        mock.table().log_is_slow = true;
        let running = Running::start(worker(&mock).kind(kind, command.build().unwrap()));
        let id = mock.json(kind, "1");
        let asked = mock.table().logs_asked;
        eventually("something is on its way", || mock.table().logs_asked > asked).await;
        // A program that waits for nobody writes all of it meanwhile.
        let beats = mock.job(id).beats;
        eventually("it is kept alive", || mock.job(id).beats > beats + 2).await;
        mock.table().log_is_slow = false;
        let job = ended(&mock, id).await;
        let expected: String = (0..40).map(|i| (i % 10).to_string().repeat(50_000)).collect();
        assert!(job.log == (expected + end).as_bytes(), "{kind}: {} bytes", job.log.len());
        running.drain().await;
    }
}

#[tokio::test]
async fn a_log_over_its_limit_keeps_both_ends() {
    let mock = Mock::start();
    mock.table().limits.log = 100_000;
    let lines = function(|task: Task| async move {
        for line in 1..=200_000 {
            task.log(&format!("line {line}"));
        }
        task.log("END");
    });
    let running = Running::start(
        worker(&mock)
            .kind("once", shell("seq -f 'line %.0f' 1 200000 >&2; echo END >&2").build().unwrap())
            .kind("function", lines),
    );
    for kind in ["once", "function"] {
        let id = mock.json(kind, "1");
        let job = ended(&mock, id).await;
        let log = text(&job.log);
        assert!(log.len() <= 100_000 && log.len() > 99_000, "{kind}: {}", log.len());
        assert!(log.starts_with("line 1\nline 2\n") && log.ends_with("\nline 200000\nEND\n"), "{kind}");
        assert!(log.contains("bytes left out …]\nline "), "{kind}");
        assert_eq!(job.state, "succeeded");
    }
    running.drain().await;
}

#[tokio::test]
async fn a_stream_over_its_limit_ends_its_run() {
    let mock = Mock::start();
    mock.table().limits.stream = 100_000;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pid");
    let endless = function(|task: Task| async move {
        while task.attempt() > 0 {
            task.stream("on and on\n").await;
        }
    });
    let running = Running::start(
        worker(&mock)
            .kind(
                "program",
                shell(&format!("echo $$ > {}; exec yes", file.display())).stream("text/plain").build().unwrap(),
            )
            .kind("ends", shell("head -c 100001 /dev/zero").stream("text/plain").build().unwrap())
            .kind("function", endless)
            .kind("fits", shell("head -c 100000 /dev/zero").stream("text/plain").build().unwrap()),
    );
    for kind in ["program", "ends", "function"] {
        let id = mock.json(kind, "1");
        let job = ended(&mock, id).await;
        assert_eq!(failure(&job), ("stream-full", "the stream is over its limit of 100000 bytes"), "{kind}");
        assert_eq!(job.stream.len(), 100_000, "{kind}: it is whole up to there");
    }
    let pid = pids(&file, 1).await.remove(0);
    eventually("the program is gone", || !is_alive(&pid)).await;
    let id = mock.json("fits", "1");
    let job = ended(&mock, id).await;
    assert_eq!((job.state.as_str(), job.stream.len()), ("succeeded", 100_000));
    running.drain().await;
}

#[tokio::test]
async fn a_result_over_its_limit_ends_its_run() {
    let mock = Mock::start();
    mock.table().limits = Limits { result: 1 << 20, ..Limits::default() };
    for script in [
        "exec yes",
        "exec head -c 1048577 /dev/zero",
        "trap '' TERM PIPE; while :; do echo; done",
        "exec yes > \"$RAINCHECK_RESULT\"",
        "head -c 1048577 /dev/zero > \"$RAINCHECK_RESULT\"",
        "trap '' TERM; head -c 2000000 /dev/zero > \"$RAINCHECK_RESULT\"; while :; do sleep 0.1; done",
    ] {
        let id = mock.json("k", "1");
        let job = outcome(&mock, shell(script), id).await;
        let expected = ("result-too-large", "the result is over the limit of 1048576 bytes");
        assert_eq!(failure(&job), expected, "{script}");
    }
    for script in ["exec head -c 1048576 /dev/zero", "head -c 1048576 /dev/zero > \"$RAINCHECK_RESULT\""] {
        let id = mock.json("k", "1");
        let job = outcome(&mock, shell(script), id).await;
        assert_eq!(job.result.map(|(_, bytes)| bytes.len()), Some(1 << 20), "{script}");
    }
}
