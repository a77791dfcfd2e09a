//! Kept programs: one process takes job after job.

use raincheck_client::run::command::CommandBuilder;

use crate::{
    mock::{Job, Mock},
    support::{Running, ended, eventually, is_alive, kept, worker},
};

/// Answers with its process id and the line that it read.
fn echo() -> CommandBuilder {
    kept(
        r#"while ask; do case "$line" in
        *die*) echo dying >&2; exit 1;;
        *hang*) say '"progress":{"percent":1}'; sleep 1000;;
        *bad*) say '"error":"no good","retryable":true';;
        *) echo some noise; say "\"result\":{\"pid\":$$,\"line\":$line}";;
        esac; done"#,
    )
}

fn value(job: &Job) -> serde_json::Value {
    serde_json::from_slice(&job.result.as_ref().expect("a result").1).unwrap()
}

#[tokio::test]
async fn one_process_takes_job_after_job() {
    let mock = Mock::start();
    let running = Running::start(worker(&mock).kind("k", echo().build().unwrap()));
    let first = mock.json("k", "{\"a\":\n \"b\"}");
    let first = value(&ended(&mock, first).await);
    assert_eq!(first["line"]["input"], serde_json::json!({"a": "b"}));
    assert_eq!((&first["line"]["attempt"], &first["line"]["job"]["kind"]), (&1.into(), &"k".into()));
    let second = mock.json("k", "2");
    let second = ended(&mock, second).await;
    assert_eq!(value(&second)["pid"], first["pid"]);
    assert_eq!(second.log, b"some noise\n");
    running.drain().await;
    let pid = first["pid"].to_string();
    eventually("the idle process ends with the worker", || !is_alive(&pid)).await;
}

#[tokio::test]
async fn death_and_cancel_cost_one_process_and_one_job() {
    let mock = Mock::start();
    let running = Running::start(worker(&mock).kind("k", echo().build().unwrap()));
    let first = mock.json("k", "1");
    let first = value(&ended(&mock, first).await)["pid"].to_string();

    let dies = mock.json("k", "\"die\"");
    let failure = ended(&mock, dies).await.failure.unwrap();
    assert_eq!((&failure["retryable"], &failure["error"]["detail"]), (&true.into(), &"dying".into()));

    let bad = mock.json("k", "\"bad\"");
    let failure = ended(&mock, bad).await.failure.unwrap();
    assert_eq!((&failure["retryable"], &failure["error"]["detail"]), (&true.into(), &"no good".into()));

    let hangs = mock.json("k", "\"hang\"");
    eventually("it reports", || !mock.job(hangs).progress.is_empty()).await;
    mock.cancel(hangs);
    assert_eq!(ended(&mock, hangs).await.state, "canceled");

    let last = mock.json("k", "3");
    let last = value(&ended(&mock, last).await)["pid"].to_string();
    assert_ne!(first, last);
    eventually("the first is gone", || !is_alive(&first)).await;
    running.drain().await;
}

#[tokio::test]
async fn input_that_is_not_json_is_a_file() {
    let mock = Mock::start();
    let script = r#"ask; p=${line#*\"input_path\":\"}; p=${p%%\"*}
        say "\"result\":{\"size\":$(wc -c < "$p"),\"line\":$line}"; ask"#;
    let running = Running::start(worker(&mock).kind("k", kept(script).build().unwrap()));
    let id = mock.bytes("k", "image/png", &[0; 12345]);
    let value = value(&ended(&mock, id).await);
    assert_eq!((&value["size"], &value["line"]["content_type"]), (&12345.into(), &"image/png".into()));
    running.drain().await;
}
