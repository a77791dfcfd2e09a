//! Workers at the command line, and following what they do.

use std::io::{BufRead as _, BufReader};
use std::time::{Duration, Instant};

use super::{Cli, Worker};

#[test]
fn submit_and_wait_prints_the_result_alone() {
    let cli = Cli::new();
    let mut worker = cli.work(&["--kind", "text.upper", "--concurrency", "2", "--", "tr", "a-z", "A-Z"]);
    let said = cli.run(&["submit", "text.upper", "\"soon\"", "--wait=20s"]);
    assert_eq!(said.well(), "\"SOON\"");
    let said = cli.run(&["submit", "text.upper", "\"json\"", "--wait", "-o", "json"]).well();
    let job: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&job["state"], &job["result"]["value"]), (&"succeeded".into(), &"JSON".into()));
    assert_eq!(worker.stop(), Some(0));
}

#[test]
fn what_a_worker_serves_stands_in_its_log() {
    let cli = Cli::new();
    for (options, queues, kinds) in [
        (&["--queue", "q1", "--queue", "q2"][..], Some("q1 q2"), None),
        (&["--kind", "a.*", "--kind", "b"], None, Some("a.* b")),
    ] {
        let mut worker = Worker(cli.command(&[&["work"], options, &["--", "cat"]].concat()).spawn().unwrap());
        let mut line = String::new();
        BufReader::new(worker.0.stderr.take().unwrap()).read_line(&mut line).unwrap();
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!((line["queues"].as_str(), line["kinds"].as_str()), (queues, kinds), "{line}");
    }
}

#[test]
fn a_pattern_or_a_queue_alone_says_what_is_run() {
    let cli = Cli::new();
    let mut by_pattern = cli.work(&["--kind", "shop.*", "--", "tr", "a-z", "A-Z"]);
    assert_eq!(cli.run(&["submit", "shop.upper", "\"a\"", "--wait=20s"]).well(), "\"A\"");
    assert_eq!(by_pattern.stop(), Some(0));
    let mut by_queue = cli.work(&["--queue", "q", "--", "tr", "a-z", "A-Z"]);
    assert_eq!(cli.run(&["submit", "any.kind", "\"b\"", "--queue", "q", "--wait=20s"]).well(), "\"B\"");
    assert_eq!(by_queue.stop(), Some(0));
    let usage = cli.run(&["work", "--", "true"]).with(2).err;
    assert!(usage.contains("--kind <KIND>|--queue <NAME>"), "{usage}");
    for (option, bad) in [("--kind", "shop.?"), ("--kind", ""), ("--queue", "q*")] {
        let err = cli.run(&["work", option, bad, "--kind", "k", "--", "true"]).with(2).err;
        assert!(err.contains(option), "{err}");
    }
}

#[test]
fn progress_log_stream_and_events_are_followed() {
    let cli = Cli::new();
    let script =
        r#"echo "{\"percent\":50,\"message\":\"half\"}" >&3; echo to operators >&2; echo to the caller; sleep 0.6"#;
    let id = cli.run(&["submit", "k"]).well();
    let mut worker = cli.work(&["--kind", "k", "--stream", "--", "sh", "-c", script]);
    let watched = cli.run(&["watch", &id]);
    assert!(watched.err.contains(&format!("{id} k running 50 %")), "{watched:?}");
    assert!(watched.with(0).err.trim_end().ends_with("succeeded 100 %"));
    assert_eq!(cli.run(&["stream", &id, "-f"]).well(), "to the caller");
    assert_eq!(cli.run(&["log", &id]).well(), "to operators");
    let events = cli.run(&["events", "--job", &id]).well();
    let types: Vec<&str> = events.lines().filter_map(|line| line.split('\t').nth(4)).collect();
    assert_eq!(types.first(), Some(&"created"));
    assert_eq!(types.last(), Some(&"succeeded"));
    let feed = cli.run(&["events", "-o", "json"]).well();
    let feed: serde_json::Value = serde_json::from_str(&feed).unwrap();
    assert_eq!(feed.as_array().unwrap().len(), types.len());
    assert_eq!(worker.stop(), Some(0));
}

#[test]
fn a_failed_job_says_why_and_ends_with_1() {
    let cli = Cli::new();
    let mut worker = cli.work(&["--kind", "k", "--", "sh", "-c", "echo 'no such clip' >&2; exit 3"]);
    let said = cli.run(&["submit", "k", "--wait=20s"]).with(1);
    assert!(said.err.contains("no such clip") && said.out.is_empty(), "{said:?}");
    assert_eq!((said.err.matches("no such clip").count(), said.err.matches("failed").count()), (1, 1), "{said:?}");
    let id = cli.run(&["list", "--state", "failed", "--no-header"]).well().split('\t').next().unwrap().to_owned();
    cli.run(&["wait", &id]).with(1);
    assert!(cli.run(&["result", &id]).with(1).err.contains("no such clip"));
    assert_eq!(worker.stop(), Some(0));
}

#[test]
fn a_listed_exit_code_is_tried_again() {
    let cli = Cli::new();
    let id = cli.run(&["submit", "k", "--max-attempts", "2"]).well();
    let mut worker =
        cli.work(&["--kind", "k", "--retry-exit-code", "3", "--", "sh", "-c", "[ $RAINCHECK_ATTEMPT = 2 ] || exit 3"]);
    cli.run(&["wait", &id, "--timeout", "20s"]).well();
    assert_eq!((cli.job(&id, "attempt"), cli.job(&id, "failures")), (2.into(), 1.into()));
    assert_eq!(worker.stop(), Some(0));
}

#[test]
fn a_result_goes_to_a_file_under_its_name() {
    let cli = Cli::new();
    let script = r#"printf '\000\001' > $RAINCHECK_RESULT; printf '{"content_type":"video/mp4","filename":"../out.mp4"}' > $RAINCHECK_RESULT_META"#;
    let mut worker = cli.work(&["--kind", "k", "--", "sh", "-c", script]);
    let id = cli.run(&["submit", "k"]).well();
    cli.run(&["wait", &id, "--timeout", "20s"]).well();
    cli.run(&["result", &id, "-o", "here.bin"]).well();
    cli.run(&["result", &id, "-o", "."]).well();
    for name in ["here.bin", "out.mp4"] {
        assert_eq!(std::fs::read(cli.folder.path().join(name)).unwrap(), [0, 1], "{name}");
    }
    assert!(!cli.folder.path().parent().unwrap().join("out.mp4").exists());
    // A pipe or a device is written to; a file that took its place would break whoever else uses it.
    let pipe = cli.folder.path().join("pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
    let mut both_ends = std::fs::File::options().read(true).write(true).open(&pipe).unwrap();
    cli.run(&["result", &id, "-o", "pipe"]).well();
    assert!(std::os::unix::fs::FileTypeExt::is_fifo(&pipe.metadata().unwrap().file_type()));
    let mut came = [9; 2];
    std::io::Read::read_exact(&mut both_ends, &mut came).unwrap();
    assert_eq!(came, [0, 1]);
    assert_eq!(worker.stop(), Some(0));
}

#[test]
fn a_worker_told_to_stop_finishes_what_it_runs() {
    let cli = Cli::new();
    let id = cli.run(&["submit", "k"]).well();
    // A job is running once it is leased; a worker told to stop before it has begun gives it back instead. So the
    // program itself says that it runs.
    let begun = cli.folder.path().join("begun");
    let script = format!("touch {}; sleep 1; echo done", begun.display());
    let mut worker = cli.work(&["--kind", "k", "--", "sh", "-c", &script]);
    let started = Instant::now();
    while !begun.exists() {
        assert!(started.elapsed() < Duration::from_secs(20), "the program did not begin");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(worker.stop(), Some(0));
    assert_eq!(cli.run(&["result", &id]).well(), "done");
}

#[test]
fn a_second_signal_ends_a_worker_and_its_program_at_once() {
    let cli = Cli::new();
    let mark = format!("31.{}", std::process::id());
    let id = cli.run(&["submit", "k"]).well();
    let mut worker = cli.work(&["--kind", "k", "--", "sleep", &mark]);
    until_running(&cli, &id);
    worker.tell(rustix::process::Signal::TERM);
    std::thread::sleep(Duration::from_millis(200));
    let signaled_at = Instant::now();
    worker.tell(rustix::process::Signal::TERM);
    worker.0.wait().unwrap();
    while !crate::server::processes(&format!("sleep {mark}")).is_empty() {
        assert!(signaled_at.elapsed() < Duration::from_secs(3), "the program outlived its worker");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until the job runs.
pub fn until_running(cli: &Cli, id: &str) {
    let begin = Instant::now();
    while cli.job(id, "state") != "running" {
        assert!(begin.elapsed() < Duration::from_secs(10), "the job does not start");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn who_waits_for_a_server_that_is_away_says_so_once() {
    let folder = tempfile::tempdir().unwrap();
    // Nobody listens on a port that was just free.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{free}");
    let id = "01a21a00-c581-7000-8307-e78191440a60";
    let waited = super::said(super::command(folder.path(), &["wait", id, "--timeout", "2s", "--server", &url]), None);
    let err = waited.with(4).err;
    assert_eq!(err.matches(&format!("waiting: cannot reach the server at {url}")).count(), 1, "{err}");
    assert!(err.contains("next: start a server with `raincheck serve`"), "{err}");
    for verb in [&["watch", id][..], &["get", id], &["events", "--job", id], &["stream", id], &["submit", "k"]] {
        let mut command = super::command(folder.path(), &[verb, &["--server", &url]].concat());
        // A stream waits for its server in any case.
        let err = if verb[0] == "stream" {
            let mut child = command.spawn().unwrap();
            let mut line = String::new();
            let mut lines = std::io::BufReader::new(child.stderr.take().unwrap());
            std::io::BufRead::read_line(&mut lines, &mut line).unwrap();
            child.kill().unwrap();
            child.wait().unwrap();
            line
        } else {
            super::said(command, None).with(5).err
        };
        assert!(err.contains(&format!("cannot reach the server at {url}")), "{verb:?}: {err}");
    }
}

#[test]
fn a_connection_that_breaks_before_the_answer_leaves_it_open_whether_it_was_done() {
    let folder = tempfile::tempdir().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            // It reads the request, and goes.
            let _ = std::io::Read::read(&mut connection.unwrap(), &mut [0; 65536]);
        }
    });
    let id = "01a21a00-c581-7000-8307-e78191440a60";
    for (verb, next) in [
        (&["submit", "k", "1"][..], "look for it with `raincheck list`; with --key KEY"),
        (&["submit", "k", "1", "--key", "x"], "with the same --key"),
        (&["rerun", id], "`raincheck list`"),
    ] {
        let err = super::said(super::command(folder.path(), &[verb, &["--server", &url]].concat()), None).with(5).err;
        assert!(err.contains("it is not known whether") && err.contains(next), "{verb:?}: {err}");
        assert!(!err.contains("cannot reach"), "{verb:?}: {err}");
    }
}

#[test]
fn an_input_that_the_server_has_lost_fails_the_job_of_a_worker_and_of_the_server_itself() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("raincheck.toml"), "[kinds.own]\nrun = [\"wc\", \"-c\"]\n").unwrap();
    let cli = Cli { server: crate::server::Server::start(folder.path(), &[]), folder };
    let mut worker = cli.work(&["--kind", "k", "--", "wc", "-c"]);
    std::fs::write(cli.folder.path().join("large"), vec![b'x'; 300_000]).unwrap();
    for kind in ["k", "own"] {
        let id = cli.run(&["submit", kind, "--file", "large", "--delay", "1h"]).well();
        let blobs = std::fs::read_dir(cli.folder.path().join("data/blobs")).unwrap().map(|shard| shard.unwrap().path());
        let shards = blobs.filter(|shard| shard.is_dir() && shard.file_name().unwrap().len() == 2);
        for file in shards.flat_map(|shard| std::fs::read_dir(shard).unwrap()) {
            std::fs::remove_file(file.unwrap().path()).unwrap();
        }
        cli.run(&["run-now", &id]).well();
        let said = cli.run(&["wait", &id, "--timeout", "20s", "-o", "json"]).with(1);
        assert!(said.out.contains("payload-lost"), "{said:?}");
        assert_eq!(cli.job(&id, "attempt"), 1, "another worker could not have it either");
    }
    assert_eq!(worker.stop(), Some(0));
}
