//! Submitting, looking, waiting, controlling.

use std::io::{BufRead as _, Read as _};

use super::{Cli, Worker, command, said};

#[test]
fn exit_codes_are_as_documented() {
    let cli = Cli::new();
    cli.run(&["submit"]).with(2);
    cli.run(&["submit", "k", "not json"]).with(2);
    cli.run(&["get", "01890000-0000-7000-8000-000000000000"]).with(3);
    let id = cli.run(&["submit", "k", "1"]).well();
    cli.run(&["wait", &id, "--timeout", "200ms"]).with(4);
    cli.run(&["result", &id]).with(4);
    let folder = tempfile::tempdir().unwrap();
    let mut away = command(folder.path(), &["list"]);
    away.env("RAINCHECK_SERVER", "http://127.0.0.1:1");
    let err = said(away, None).with(5).err;
    assert!(err.contains("127.0.0.1:1") && err.contains("next:") && err.contains("raincheck serve"), "{err}");
}

#[test]
fn the_server_is_named_before_the_verb_or_after_it() {
    let cli = Cli::new();
    let url = cli.server.url.as_str();
    for arguments in [
        &["--server", url, "list"][..],
        &["list", "--server", url],
        &["queue", "list", "--server", url],
        &["--server", url, "queue", "list"],
    ] {
        let folder = tempfile::tempdir().unwrap();
        let mut elsewhere = command(folder.path(), arguments);
        elsewhere.env("RAINCHECK_SERVER", "http://127.0.0.1:1");
        said(elsewhere, None).with(0);
    }
}

#[test]
fn a_named_reader_goes_on_where_it_was() {
    let cli = Cli::new();
    cli.run(&["reader", "show", "billing"]).with(3);
    cli.run(&["reader", "set", "billing"]).well();
    let id = cli.run(&["submit", "k", "1"]).well();
    let first = cli.run(&["events", "--reader", "billing"]).well();
    assert!(first.contains(&id) && first.lines().count() == 1, "{first}");
    assert_eq!(cli.run(&["events", "--reader", "billing"]).well(), "", "it was moved behind what was printed");
    let listed = cli.run(&["reader", "list", "--no-header"]).well();
    assert!(listed.starts_with("billing\t0\t"), "{listed}");
    cli.run(&["reader", "set", "billing", "--cursor", "0"]).well();
    let again = cli.run(&["events", "--reader", "billing", "-o", "json"]).well();
    let again: serde_json::Value = serde_json::from_str(&again).unwrap();
    assert_eq!(again.as_array().map(Vec::len), Some(1), "{again}");
    assert_eq!(cli.run(&["events", "--reader", "billing"]).well(), "");
    assert_eq!(cli.run(&["reader", "set", "billing", "--cursor", "x"]).with(5).out, "");
    cli.run(&["reader", "delete", "billing"]).well();
    cli.run(&["events", "--reader", "billing"]).with(3);
}

#[test]
fn a_reader_is_made_once_and_moved_past_what_its_filter_holds_back() {
    let cli = Cli::new();
    let made = cli.run(&["reader", "make", "billing"]).with(0);
    assert!(made.err.contains("made billing"), "{made:?}");
    let there = cli.run(&["reader", "make", "billing", "--cursor", "0"]).with(5);
    assert!(there.err.contains("there is a reader billing already"), "{there:?}");
    let moved = cli.run(&["reader", "set", "billing"]).with(0);
    assert!(moved.err.contains("moved billing"), "{moved:?}");
    let work = ["submit", "k", "1", "--wait"];
    let mut worker = cli.work(&["--kind", "k", "--", "cat"]);
    cli.run(&work).well();
    let id = cli.run(&["submit", "other", "1"]).well();
    let all = cli.run(&["events", "--reader", "billing", "--kind", "k", "--include", "result", "-o", "jsonl"]).well();
    let all: Vec<serde_json::Value> = all.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let last = all.last().unwrap();
    assert_eq!((&last["type"], &last["data"]["result"]["value"]), (&"succeeded".into(), &1.into()));
    assert!(all.is_sorted_by_key(|event| event["position"].as_u64().unwrap()), "{all:?}");
    // Behind the event of the other kind, too.
    let listed = cli.run(&["reader", "list", "--no-header"]).well();
    assert!(listed.starts_with("billing\t0\t"), "{listed}, {id}");
    worker.stop();
}

/// What stands in a pipe that nobody has read is not taken: the reader stays, and is moved once it is.
#[test]
fn a_reader_is_moved_when_its_events_are_taken() {
    let cli = Cli::new();
    cli.run(&["reader", "make", "billing"]).well();
    cli.run(&["submit", "k", "1"]).well();
    let lag = || cli.run(&["reader", "list", "--no-header"]).well().split('\t').nth(1).unwrap().to_owned();
    let mut first = cli.command(&["events", "--reader", "billing", "--follow"]).spawn().unwrap();
    let out = first.stdout.take().unwrap();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while rustix::io::ioctl_fionread(&out).unwrap() == 0 {
        assert!(std::time::Instant::now() < deadline, "nothing is printed");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert_eq!(lag(), "1", "it is printed, and not read");
    let mut lines = std::io::BufReader::new(out).lines();
    assert!(lines.next().unwrap().unwrap().contains("created"));
    while lag() != "0" {
        assert!(std::time::Instant::now() < deadline, "the reader is not moved");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    // Somebody else moves it: what comes then is not told as if it had been read.
    cli.run(&["reader", "set", "billing", "--cursor", "0"]).well();
    cli.run(&["submit", "k", "2"]).well();
    assert!(lines.next().unwrap().unwrap().contains("created"));
    assert_eq!(first.wait().unwrap().code(), Some(5));
}

/// One of the two that read for it at once is told; both are there before either is moved on.
#[test]
fn two_that_read_for_one_reader_do_not_go_on_both() {
    let cli = Cli::new();
    cli.run(&["reader", "make", "billing"]).well();
    cli.run(&["submit", "k", "1"]).well();
    let follow = || Worker(cli.command(&["events", "--reader", "billing", "--follow"]).spawn().unwrap());
    let mut both = [follow(), follow()];
    let outs = both.each_mut().map(|one| one.0.stdout.take().unwrap());
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while outs.iter().any(|out| rustix::io::ioctl_fionread(out).unwrap() == 0) {
        assert!(std::time::Instant::now() < deadline, "nothing is printed");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let _lines = outs.map(|out| {
        let mut lines = std::io::BufReader::new(out).lines();
        assert!(lines.next().unwrap().unwrap().contains("created"));
        lines
    });
    let code = loop {
        assert!(std::time::Instant::now() < deadline, "neither is told");
        if let Some(ended) = both.iter_mut().find_map(|one| one.0.try_wait().unwrap()) {
            break ended.code();
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    };
    assert_eq!(code, Some(5));
    let mut errs = both.each_mut().map(|one| one.0.stderr.take().unwrap());
    let loser = both.iter_mut().position(|one| one.0.try_wait().unwrap().is_some()).unwrap();
    let mut said = String::new();
    errs[loser].read_to_string(&mut said).unwrap();
    assert!(said.contains("somebody else has moved") && said.contains("billing"), "{said}");
    assert!(both[1 - loser].0.try_wait().unwrap().is_none(), "the other one goes on");
}

/// Who has gone, with all of it in hand, has not said that he has dealt with it.
#[test]
fn a_reader_is_not_moved_for_a_pipe_that_nobody_reads() {
    let cli = Cli::new();
    cli.run(&["reader", "make", "billing"]).well();
    cli.run(&["submit", "k", "1"]).well();
    let mut reading = cli.command(&["events", "--reader", "billing"]).spawn().unwrap();
    drop(reading.stdout.take());
    assert_eq!(reading.wait().unwrap().code(), Some(0));
    assert_eq!(cli.run(&["events", "--reader", "billing"]).well().lines().count(), 1);
}

#[test]
fn faults_of_a_reader_say_what_they_are() {
    let cli = Cli::new();
    for arguments in [&["reader", "show", "nope"][..], &["reader", "delete", "nope"], &["events", "--reader", "nope"]] {
        let err = cli.run(arguments).with(3).err;
        assert!(err.contains("there is no reader nope") && err.contains("raincheck reader make nope"), "{err}");
        assert!(!err.contains("PUT"), "{err}");
    }
    for arguments in [
        &["reader", "make", "größe"][..],
        &["events", "--reader", "größe"],
        &["events", "--queue", ".x"],
        &["queue", "show", "größe"],
        &["list", "--kind", "a b"],
        &["list", "--queue", "a*,.*"],
        &["events", "--kind", "a*,b c"],
        &["submit", "größe"],
    ] {
        let err = cli.run(arguments).with(2).err;
        assert!(err.contains("letters of ASCII") || err.contains("must begin with"), "{err}");
    }
}

#[test]
fn lists_and_events_are_filtered_by_patterns() {
    let cli = Cli::new();
    for (queue, kind) in [("shop.a", "mail.send"), ("shop.b", "sms"), ("other", "mail.read")] {
        cli.run(&["submit", kind, "1", "--queue", queue]).well();
    }
    let kinds = |arguments: &[&str], column| -> Vec<String> {
        let said = cli.run(arguments).well();
        said.lines().filter_map(|line| line.split('\t').nth(column)).map(str::to_owned).collect()
    };
    assert_eq!(kinds(&["list", "--kind", "mail.*"], 1), ["KIND", "mail.read", "mail.send"]);
    assert_eq!(kinds(&["list", "--no-header", "--queue", "shop.*", "--kind", "sms,nobodys"], 1), ["sms"]);
    assert_eq!(kinds(&["events", "--queue", "*.a,oth*"], 3), ["mail.send", "mail.read"]);
    assert_eq!(kinds(&["events", "--kind", "*m*", "--queue", "shop.*"], 3), ["mail.send", "sms"]);
    assert_eq!(kinds(&["events"], 7), ["shop.a", "shop.b", "other"], "the queue");
}

#[test]
fn what_is_not_done_is_not_purged_and_the_way_out_is_said() {
    let cli = Cli::new();
    let id = cli.run(&["submit", "k", "1"]).well();
    for verb in ["purge", "rerun"] {
        let err = cli.run(&[verb, &id]).with(5).err;
        assert!(err.contains("next:") && err.contains("raincheck cancel"), "{err}");
    }
}

#[test]
fn a_job_is_submitted_listed_and_shown() {
    let cli = Cli::new();
    let arguments = [
        "submit",
        "mail.send",
        r#"{"to": "ada"}"#,
        "--queue",
        "mail",
        "--key",
        "k1",
        "--label",
        "to Ada",
        "--tag",
        "who=ada",
    ];
    let id = cli.run(&arguments).well();
    assert_eq!(cli.run(&arguments).well(), id, "the same key is the same job");
    let listed = cli.run(&["list", "--kind", "mail.send", "--tag", "who=ada"]).well();
    let (header, row) = listed.split_once('\n').unwrap();
    assert_eq!(header, "ID\tKIND\tQUEUE\tSTATE\tPROGRESS\tLABEL\tAGE");
    let columns: Vec<&str> = row.split('\t').collect();
    assert_eq!(columns[..6], [&id, "mail.send", "mail", "queued", "", "to Ada"], "{listed}");
    assert_eq!(cli.run(&["list", "--state", "failed", "--no-header"]).well(), "");
    let lines = cli.run(&["list", "-o", "jsonl"]).well();
    assert_eq!(serde_json::from_str::<serde_json::Value>(&lines).unwrap()["id"], id.as_str());
    let shown = cli.run(&["get", &id, "--input"]).well();
    assert!(shown.contains("state\tqueued") && shown.contains("input\t{\"to\": \"ada\"}"), "{shown}");
    assert_eq!(cli.job(&format!("{}/jobs/{id}", cli.server.url), "queue"), "mail");
    assert_eq!(cli.job(&id, "tags")["who"], "ada");
}

#[test]
fn inputs_come_from_arguments_files_and_pipes() {
    let cli = Cli::new();
    let file = |name: &str, bytes: &[u8]| {
        std::fs::write(cli.folder.path().join(name), bytes).unwrap();
    };
    file("in.json", b"{\"a\":1}");
    file("clip.mp4", &[0, 159, 146, 150]);
    let from_file = cli.run(&["submit", "k", "@in.json"]).well();
    let from_pipe = cli.feed(&["submit", "k", "-"], b"{\"a\":2}").well();
    let raw = cli.run(&["submit", "raw", "--file", "clip.mp4"]).well();
    let piped = cli.feed(&["submit", "raw", "--file", "-", "--content-type", "audio/wav"], &[255, 0]).well();
    assert!(cli.run(&["get", &from_file, "--input"]).well().contains("{\"a\":1}"));
    assert!(cli.run(&["get", &from_pipe, "--input"]).well().contains("{\"a\":2}"));
    assert_eq!(cli.job(&raw, "label"), "clip.mp4");
    let mut worker = cli.work(&["--kind", "raw", "--", "sh", "-c", "printf %s \"$RAINCHECK_CONTENT_TYPE\"; wc -c"]);
    let result = |id: &str| {
        cli.run(&["wait", id, "--timeout", "20s"]).well();
        cli.run(&["result", id]).well()
    };
    assert_eq!(result(&raw).replace(' ', ""), "video/mp44");
    assert_eq!(result(&piped).replace(' ', ""), "audio/wav2");
    // A named pipe gives its bytes once.
    let pipe = cli.folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let writer = std::thread::spawn(move || std::fs::write(pipe, b"through a pipe"));
    let through = cli.run(&["submit", "raw", "--file", "pipe", "--content-type", "text/plain"]).well();
    writer.join().unwrap().unwrap();
    assert_eq!(result(&through).replace(' ', ""), "text/plain14");
    assert_eq!(worker.stop(), Some(0));
    assert!(cli.run(&["submit", "k", "@nowhere.json"]).with(2).err.contains("nowhere.json"));
}

#[test]
fn jobs_are_steered() {
    let cli = Cli::new();
    let later = cli.run(&["submit", "k", "--delay", "1h"]).well();
    assert_eq!(cli.job(&later, "state"), "scheduled");
    assert_eq!(cli.run(&["run-now", &later]).well(), later);
    assert_eq!(cli.job(&later, "state"), "queued");
    assert!(cli.run(&["run-now", &later]).with(5).err.contains("queued") || cli.job(&later, "state") == "queued");
    cli.run(&["purge", &later]).with(5);
    assert_eq!(cli.feed(&["cancel", "-"], cli.run(&["list"]).with(0).out.as_bytes()).well(), later);
    cli.run(&["wait", &later]).with(1);
    let again = cli.run(&["rerun", &later, "--input", "[1]"]).well();
    assert_ne!(again, later);
    assert_eq!(cli.job(&again, "rerun_of"), later.as_str());
    assert_eq!(cli.run(&["purge", &later]).well(), later);
    cli.run(&["get", &later]).with(3);
    cli.run(&["cancel", &later]).with(3);
}

#[test]
fn queues_and_workers_are_operated() {
    let cli = Cli::new();
    let id = cli.run(&["submit", "k", "1", "--queue", "slow"]).well();
    cli.run(&["queue", "pause", "slow"]).well();
    let mut worker = cli.work(&["--kind", "k", "--name", "one", "--", "cat"]);
    cli.run(&["wait", &id, "--timeout", "500ms"]).with(4);
    assert_eq!(cli.job(&id, "waiting_for"), "paused");
    assert!(cli.run(&["queue", "set", "slow", "concurrency=3", "max_queued=9"]).well().contains("concurrency\t3"));
    let queue: serde_json::Value =
        serde_json::from_str(&cli.run(&["queue", "show", "slow", "-o", "json"]).well()).unwrap();
    assert_eq!((&queue["paused"], &queue["concurrency"], &queue["max_queued"]), (&true.into(), &3.into(), &9.into()));
    assert!(cli.run(&["queue", "set", "slow", "concurency=3"]).with(2).err.contains("did you mean `concurrency`"));
    cli.run(&["queue", "resume", "slow"]).well();
    cli.run(&["wait", &id, "--timeout", "20s"]).well();
    assert!(
        cli.run(&["queue", "list"]).well().contains("slow\t0\t0\tno\t3\t9"),
        "{}",
        cli.run(&["queue", "list"]).well()
    );
    assert!(cli.run(&["worker", "list", "--no-header"]).well().starts_with("one\t"));
    assert_eq!(worker.stop(), Some(0));
    cli.run(&["queue", "show", "nowhere"]).with(3);
}

#[test]
fn the_document_and_completions_are_printed() {
    let cli = Cli::new();
    let document: serde_json::Value = serde_json::from_str(&cli.run(&["openapi"]).well()).unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    for shell in ["bash", "zsh", "fish"] {
        assert!(cli.run(&["completion", shell]).well().contains("run-now"));
    }
}
