//! What is said, where, and to whom.

use std::io::Read as _;

use super::Cli;

#[test]
fn a_pipe_that_is_closed_ends_a_command_quietly() {
    let cli = Cli::new();
    let mut worker = cli.work(&["--kind", "k", "--", "cat"]);
    // More than a pipe holds, so that the end of it is met.
    let id = cli.feed(&["submit", "k", "--file", "-"], &[b'x'; 3 << 20]).well();
    cli.run(&["wait", &id, "--timeout", "20s"]).well();
    for arguments in [
        &["result", &id][..],
        &["result", &id, "-o", "-"],
        &["result", &id, "-o", "/dev/stdout"],
        &["openapi"],
        &["completion", "bash"],
    ] {
        let mut child = cli.command(arguments).spawn().unwrap();
        let mut out = child.stdout.take().unwrap();
        out.read_exact(&mut [0]).unwrap();
        drop(out);
        let ended = child.wait_with_output().unwrap();
        let err = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success() && err.is_empty(), "{arguments:?}: {ended:?}");
    }
    // So is one that nobody reads what goes wrong from.
    let mut child = cli.command(&["watch", &id]).spawn().unwrap();
    drop(child.stderr.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(worker.stop(), Some(0));
}

#[test]
fn a_result_goes_to_standard_output_by_name() {
    let cli = Cli::new();
    let mut worker = cli.work(&["--kind", "k", "--", "cat"]);
    let id = cli.run(&["submit", "k", "[1]"]).well();
    cli.run(&["wait", &id, "--timeout", "20s"]).well();
    assert_eq!(cli.run(&["result", &id, "-o", "-"]).well(), "[1]");
    assert!(!cli.folder.path().join("-").exists());
    assert_eq!(worker.stop(), Some(0));
}

#[test]
fn who_submits_again_is_told() {
    let cli = Cli::new();
    let submit = ["submit", "k", "1", "--key", "a"];
    assert_eq!(cli.run(&submit).with(0).err, "");
    let again = cli.run(&submit).with(0);
    assert!(again.err.contains("submitted before under this key"), "{again:?}");
    let again = cli.run(&[&submit[..], &["-o", "json"]].concat()).with(0);
    assert!(again.err.contains("submitted before under this key"), "{again:?}");
}

#[test]
fn a_state_or_a_number_that_is_none_is_usage() {
    let cli = Cli::new();
    for arguments in [&["list", "--state", "done"][..], &["events", "--state", "succeeded,bogus"]] {
        let err = cli.run(arguments).with(2).err;
        let states = "scheduled, queued, blocked, running, succeeded, failed, canceled";
        assert!(err.contains(states), "{err}");
    }
    cli.run(&["list", "--state", "failed,canceled", "--state", "queued"]).well();
    for arguments in [&["submit", "k", "--delay", "11000d"][..], &["wait", "x", "--timeout", "18446744073709551615s"]] {
        let err = cli.run(arguments).with(2).err;
        assert!(err.contains("at most ten years"), "{err}");
    }
    assert!(cli.run(&["list", "--limit", "0"]).with(2).err.contains("--limit"));
}

#[test]
fn how_far_a_job_is_stands_there_as_it_was_said() {
    let cli = Cli::new();
    let script = r#"echo "{\"percent\":17.4,\"message\":\"pass one\"}" >&3; while [ ! -e GO ]; do sleep 0.05; done"#;
    let mut worker = cli.work(&["--kind", "k", "--", "sh", "-c", script]);
    let id = cli.run(&["submit", "k"]).well();
    let mut watch = cli.command(&["watch", &id]).spawn().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(watch.stderr.take().unwrap()));
    let is_said = lines.by_ref().any(|line| line.unwrap() == format!("{id} k running 17 % pass one"));
    assert!(is_said);
    std::fs::write(cli.folder.path().join("GO"), "").unwrap();
    assert_eq!(lines.last().unwrap().unwrap(), format!("{id} k succeeded 100 %"));
    assert_eq!(watch.wait().unwrap().code(), Some(0));
    assert_eq!(worker.stop(), Some(0));
}

#[test]
fn links_that_are_not_there_are_left_out() {
    let cli = Cli::new();
    let id = cli.run(&["submit", "k", "1"]).well();
    let links = cli.job(&id, "links");
    assert!(links["self"].is_string() && links.as_object().unwrap().values().all(|link| !link.is_null()), "{links}");
}
