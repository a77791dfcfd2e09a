//! Several jobs at once: what one of them is refused does not keep the others from their turn.

use super::Cli;

const NOBODY: &str = "01890000-0000-7000-8000-000000000000";

#[test]
fn the_one_that_is_not_there_is_named_and_the_others_are_shown() {
    let cli = Cli::new();
    let [first, last] = ["1", "2"].map(|input| cli.run(&["submit", "k", input]).well());
    for verb in [&["get"][..], &["wait", "--timeout", "100ms"], &["watch", "--timeout", "100ms"]] {
        let said = cli.run(&[verb, &[NOBODY, &first, &last]].concat());
        assert!(said.err.contains(&format!("error: job {NOBODY}: ")), "{said:?}");
        let shown = format!("{}{}", said.out, said.err);
        assert!(shown.contains(&first) && shown.contains(&last), "{said:?}");
        said.with(3);
    }
    let ids = format!("ID\tKIND\n{first}\tk\n{NOBODY}\tk\n{last}\tk\n");
    let said = cli.feed(&["cancel", "-"], ids.as_bytes()).with(3);
    assert_eq!(said.out, format!("{first}\n{last}\n"));
    assert_eq!(said.err.matches("error:").count(), 1, "{said:?}");
    for verb in ["result", "log", "stream"] {
        let err = cli.run(&[verb, NOBODY]).with(3).err;
        assert!(err.contains(&format!("error: job {NOBODY}: ")), "{err}");
    }
    // Canceled, as all are now: the wait says so of each.
    cli.run(&["wait", &first, NOBODY, &last]).with(1);
}

#[test]
fn what_is_the_same_for_all_is_said_once() {
    let cli = Cli::new();
    let [first, last] = ["1", "2"].map(|input| cli.run(&["submit", "k", input]).well());
    let said = cli.run(&["get", &first, &last, "--server", "127.0.0.1:1"]).with(5);
    assert_eq!(said.err.matches("error:").count(), 1, "{said:?}");
    let said = cli.run(&["wait", &first, &last, "--timeout", "1s"]).with(4);
    for id in [&first, &last] {
        let (error, next) = (format!("job {id} is not done within 1s"), format!("raincheck watch {id}"));
        assert!(said.err.contains(&error) && said.err.contains(&next), "{said:?}");
    }
}

#[test]
fn a_state_that_is_in_the_way_comes_with_a_way_out() {
    let cli = Cli::new();
    let mut worker = cli.work(&["--kind", "k", "--", "cat"]);
    cli.run(&["submit", "k", "1", "--key", "a", "--wait=20s"]).well();
    let done = cli.run(&["submit", "k", "1", "--key", "a"]).well();
    let waiting = cli.run(&["submit", "other", "1"]).well();
    for (verb, id, next) in [
        ("rerun", &done, "raincheck rerun --force ID"),
        ("cancel", &done, "raincheck get ID"),
        ("run-now", &waiting, "raincheck get ID"),
        ("purge", &waiting, "raincheck cancel ID"),
    ] {
        let err = cli.run(&[verb, id]).with(5).err;
        assert!(err.contains("next:") && err.contains(&format!("`{}`", next.replace("ID", id))), "{verb}: {err}");
    }
    cli.run(&["rerun", "--force", &done]).well();
    assert_eq!(worker.stop(), Some(0));
}
