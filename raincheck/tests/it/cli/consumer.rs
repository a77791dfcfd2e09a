//! `raincheck events --reader NAME -- PROGRAM`: at least once, and the reader is where the program has come to.

use std::os::unix::fs::PermissionsExt as _;

use rustix::process::Signal;

use super::{Cli, Worker, until};

/// A server with a reader, and a program of this text.
fn with(text: &str) -> Cli {
    let cli = Cli::new();
    let program = cli.folder.path().join("book.sh");
    std::fs::write(&program, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    cli.run(&["reader", "make", "billing"]).well();
    cli
}

const HAND: [&str; 6] = ["events", "--reader", "billing", "--", "./book.sh", "all"];

fn booked(cli: &Cli) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(cli.folder.path().join("booked")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn lag(cli: &Cli) -> String {
    cli.run(&["reader", "list", "--no-header"]).well().split('\t').nth(1).unwrap().to_owned()
}

#[test]
fn a_program_gets_the_events_as_lines_and_the_reader_is_moved_when_it_ends_well() {
    let cli = with("cat >> booked; echo done $1");
    let ids = ["1", "2", "3"].map(|input| cli.run(&["submit", "k", input]).well());
    assert_eq!(cli.run(&HAND).well(), "done all", "what it prints is printed");
    assert_eq!(booked(&cli).iter().map(|event| event["job"].as_str().unwrap()).collect::<Vec<_>>(), ids);
    assert_eq!(lag(&cli), "0");
    assert_eq!(cli.run(&HAND).well(), "", "it is not started for nothing");
}

#[test]
fn a_program_that_fails_gets_the_same_events_again() {
    let cli = with("cat >> booked; [ -e good ] || exit 7");
    cli.run(&["submit", "k", "1"]).well();
    for _ in 0..2 {
        let err = cli.run(&HAND).with(1).err;
        assert!(err.contains("./book.sh ended with exit code 7") && err.contains("billing was not moved"), "{err}");
        assert_eq!(lag(&cli), "1");
    }
    std::fs::write(cli.folder.path().join("good"), "").unwrap();
    cli.run(&HAND).well();
    let booked = booked(&cli);
    assert_eq!((booked.len(), &booked[0], &booked[0]), (3, &booked[1], &booked[2]));
    assert_eq!(lag(&cli), "0");
}

#[test]
fn a_program_may_leave_what_it_does_not_need_and_what_kills_it_is_said() {
    let cli = with("[ ! -e bad ] || kill -9 $$");
    let mut worker = cli.work(&["--kind", "large", "--", "cat"]);
    for _ in 0..2 {
        cli.feed(&["submit", "large", "-", "--wait"], format!("\"{}\"", "x".repeat(60_000)).as_bytes()).well();
    }
    assert_eq!(worker.stop(), Some(0));
    // More than a pipe holds.
    let with_results = ["events", "--reader", "billing", "--include", "result", "--", "./book.sh"];
    cli.run(&with_results).well();
    assert_eq!(lag(&cli), "0");
    cli.run(&["submit", "k", "1"]).well();
    std::fs::write(cli.folder.path().join("bad"), "").unwrap();
    assert!(cli.run(&HAND).with(1).err.contains("./book.sh was ended by signal 9"));
    let missing = ["events", "--reader", "billing", "--", "./nowhere.sh"];
    assert!(cli.run(&missing).with(2).err.contains("./nowhere.sh cannot be started"));
    assert_eq!(lag(&cli), "1");
    assert!(cli.run(&["events", "--", "./book.sh"]).with(2).err.contains("--reader"));
}

#[test]
fn told_to_stop_it_lets_the_program_end_and_moves_the_reader() {
    let cli = with("cat >> booked; touch begun; while [ ! -e go ]; do sleep 0.01; done");
    let follow = ["events", "--reader", "billing", "--follow", "--", "./book.sh"];
    let mut following = Worker(cli.command(&follow).spawn().unwrap());
    cli.run(&["submit", "k", "1"]).well();
    let file = |name: &str| cli.folder.path().join(name);
    until("the program begins", || file("begun").exists());
    following.tell(Signal::TERM);
    assert_eq!(lag(&cli), "1", "it is not dealt with yet");
    std::fs::write(file("go"), "").unwrap();
    assert_eq!(following.0.wait().unwrap().code(), Some(0));
    assert_eq!((booked(&cli).len(), lag(&cli)), (1, "0".to_owned()));
}
