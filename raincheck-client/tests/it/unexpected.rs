//! Programs that do what programs do: each hurts its own job at most, and the ones before and after it are answered.

use crate::{
    mock::{Job, Mock},
    support::{Running, ended, eventually, kept, shell, worker},
};

/// How the odd job ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Succeeds,
    /// With whether another attempt may help.
    Fails(bool),
    /// It would run on; somebody cancels it.
    Canceled,
}
use End::{Canceled, Fails, Succeeds};

const OWN: &str = r#"say "\"result\":\"$id\"""#;

/// What a kept program does when it is asked about the odd job.
const KEPT: &[(&str, &str, End)] = &[
    ("logs a line of JSON with an error", r#"echo '{"error":"of a library","result":1}'; OWN"#, Succeeds),
    ("logs a structured line about its job", r#"say '"level":"info"'; OWN"#, Succeeds),
    (
        "reports on another job",
        r#"say '"progress":{}'; mine=$id; id=other; say '"progress":{}'; id=$mine; OWN"#,
        Succeeds,
    ),
    ("answers twice", "OWN; OWN", Succeeds),
    ("answers twice, with an error", r#"OWN; say '"error":"second"'"#, Succeeds),
    ("answers again, late", r#"OWN; (sleep 0.1; say '"error":"late"') &"#, Succeeds),
    ("leaves half a line", r#"OWN; printf '{"job":"'"#, Succeeds),
    ("writes on after its answer", "OWN; sleep 0.1; echo done", Succeeds),
    ("answers as the first version did", r#"echo '{"result":1}'; exit 3"#, Fails(true)),
    ("answers for another job", "id=other; OWN", Fails(true)),
    ("answers for an older attempt", "attempt=0; OWN", Fails(true)),
    ("answers what cannot be read", r#"say '"error":5'"#, Fails(true)),
    ("answers NaN", r#"say '"result":NaN'"#, Fails(true)),
    ("answers as Python prints", r#"echo "{'job': '$id', 'attempt': $attempt, 'result': None}""#, Fails(true)),
    ("answers with no error", r#"say '"error":null'"#, Fails(true)),
    ("answers for its attempt as text", r#"attempt="\"$attempt\""; OWN"#, Fails(true)),
    ("answers with a slip", r#"say '"reslut":5'"#, Fails(true)),
    ("answers twice in a line", r#"say '"result":1,"result":2'"#, Fails(true)),
    ("logs what is no JSON about its job", r#"say '"ratio":NaN'; OWN"#, Succeeds),
    ("logs a member like an answer's", r#"say '"level":"info","results":5'; OWN"#, Succeeds),
    ("echoes the question", r#"printf '%s\n' "$line"; sleep 1000"#, Canceled),
    ("prints binary", r"printf '\377\000\n{\376}\n'; OWN", Succeeds),
    ("closes its input", "exec <&-; OWN", Succeeds),
    ("closes its output after its answer", "OWN; exec >&-; sleep 1000", Succeeds),
    ("closes its output without an answer", "exec >&-; sleep 1000", Fails(true)),
    ("forks, and the child keeps the output", "sleep 1000 & exit 3", Fails(true)),
    ("forks, and the child answers", "(sleep 0.1; OWN) & wait", Succeeds),
    ("exits with 0 without an answer", "exit 0", Fails(true)),
    ("exits after its answer", "OWN; exit 0", Succeeds),
    ("is killed after its answer", "OWN; kill -9 $$", Succeeds),
    ("ends a while after its answer", "OWN; sleep 0.2; exit 1", Succeeds),
    ("stops itself", "kill -STOP $$", Canceled),
    ("logs a line of 100 MB", r"head -c 100000000 /dev/zero | tr '\0' x; echo; OWN", Succeeds),
    ("answers with a line of 100 MB", r#"printf '{"job":"'; head -c 100000000 /dev/zero | tr '\0' x"#, Fails(false)),
    ("kills its supervisor", "kill -9 $PPID; sleep 1000", Fails(true)),
    ("removes its directory", r#"rm -rf "$(dirname "$RAINCHECK_TMP")"; OWN"#, Succeeds),
];

/// What a program does for the odd job.
const PLAIN: &[(&str, &str, End)] = &[
    ("reads nothing and says nothing", "exec <&-", Succeeds),
    ("closes everything", "exec <&- >&- 2>&- 3>&-", Succeeds),
    ("prints binary", r"printf '\377\000'", Succeeds),
    ("forks, and the child keeps the output", "sleep 1000 & echo 1", Succeeds),
    ("leaves its session", "setsid sleep 1000 & echo 1", Succeeds),
    ("stops itself", "kill -STOP $$", Canceled),
    ("logs a line of 100 MB", r"head -c 100000000 /dev/zero | tr '\0' x >&2", Succeeds),
    ("reports a line of 100 MB", r"head -c 100000000 /dev/zero | tr '\0' x >&3", Succeeds),
    ("makes a directory of its result", r#"mkdir "$RAINCHECK_RESULT"; echo 1"#, Fails(false)),
    ("links its result to nothing", r#"ln -s /nowhere "$RAINCHECK_RESULT"; echo 1"#, Fails(false)),
    ("describes its result by a directory", r#"mkdir "$RAINCHECK_RESULT_META"; echo 1"#, Fails(false)),
    ("removes its directory", r#"rm -rf "$(dirname "$RAINCHECK_TMP")""#, Fails(true)),
    ("kills its supervisor", "kill -9 $PPID; sleep 1000", Fails(true)),
    ("kills its group", "kill -9 0", Fails(true)),
];

fn text(job: &Job) -> String {
    String::from_utf8(job.result.as_ref().expect("a result").1.clone()).unwrap()
}

async fn end(mock: &Mock, id: usize, end: End) -> Job {
    if end == Canceled {
        eventually("it runs", || mock.job(id).state == "running" && mock.job(id).beats > 0).await;
        mock.cancel(id);
    }
    let job = ended(mock, id).await;
    let ended = match job.state.as_str() {
        "succeeded" => Succeeds,
        "failed" => Fails(job.failure.as_ref().unwrap()["retryable"].as_bool().unwrap()),
        "canceled" => Canceled,
        other => panic!("{other}"),
    };
    assert_eq!(ended, end, "{:?}", job.failure);
    assert_eq!((job.ends, job.releases), (1, 0));
    job
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_kept_programs() {
    for (what, does, ends) in KEPT {
        println!("{what}");
        let script = format!("while ask; do case $line in *other*) {does};; *) OWN;; esac; done").replace("OWN", OWN);
        let mock = Mock::start();
        let running = Running::start(worker(&mock).kind("k", kept(&script).build().unwrap()));
        let inputs = ["\"good\"", "\"other\"", "\"good\"", "\"other\"", "\"other\"", "\"good\"", "\"good\""];
        for input in inputs {
            let id = mock.json("k", input);
            if input == "\"other\"" {
                end(&mock, id, *ends).await;
            } else {
                assert_eq!(text(&end(&mock, id, Succeeds).await), format!("\"{id}\""), "{what}");
            }
        }
        running.drain().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_plain_programs() {
    for (what, does, ends) in PLAIN {
        println!("{what}");
        let script = format!("case $(cat) in *other*) {does};; *) echo \"\\\"$RAINCHECK_JOB\\\"\";; esac");
        let mock = Mock::start();
        let running = Running::start(worker(&mock).kind("k", shell(&script).build().unwrap()));
        for input in ["\"good\"", "\"other\"", "\"good\"", "\"other\"", "\"other\"", "\"good\""] {
            let id = mock.json("k", input);
            if input == "\"other\"" {
                end(&mock, id, *ends).await;
            } else {
                assert_eq!(text(&end(&mock, id, Succeeds).await), format!("\"{id}\""), "{what}");
            }
        }
        running.drain().await;
    }
}

#[tokio::test]
async fn an_answer_before_the_question_is_log() {
    let mock = Mock::start();
    let script = format!(r#"echo '{{"result":"early"}}'; while ask; do {OWN}; done"#);
    let running = Running::start(worker(&mock).kind("k", kept(&script).build().unwrap()));
    for _ in 0..2 {
        let id = mock.json("k", "1");
        assert_eq!(text(&end(&mock, id, Succeeds).await), format!("\"{id}\""));
    }
    assert_eq!(mock.job(0).log, b"{\"result\":\"early\"}\n");
    running.drain().await;
}
