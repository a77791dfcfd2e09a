//! `raincheck config`, and settings that are wrong.

use super::{command, said};

#[test]
fn a_new_file_is_right_and_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| said(command(folder.path(), arguments), None);
    assert_eq!(run(&["config", "init"]).well(), "raincheck.toml");
    assert_eq!(run(&["config", "check"]).well(), "raincheck.toml: ok");
    assert!(run(&["config", "init"]).with(2).err.contains("is there already"));
}

#[test]
fn what_is_in_force_says_where_it_is_from() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("raincheck.toml"), "[limits]\nqueued = 7\n").unwrap();
    let mut show = command(folder.path(), &["config", "show", "--origin"]);
    show.env("RAINCHECK_LIMITS__FILE", "2GiB").env("RAINCHECK_ADMIN_TOKEN", "hunter2");
    let shown = said(show, None).well();
    let origin = |setting: &str| {
        let line = shown.lines().find(|line| line.starts_with(setting)).unwrap_or_else(|| panic!("{setting}: {shown}"));
        line.split("  # ").nth(1).unwrap().to_owned()
    };
    assert_eq!(origin("queued = 7"), "raincheck.toml:2");
    assert_eq!(origin("file = \"2GiB\""), "$RAINCHECK_LIMITS__FILE");
    assert_eq!(origin("timeout = \"1h\""), "default");
    assert_eq!(origin("admin_token = \"env:RAINCHECK_ADMIN_TOKEN\""), "$RAINCHECK_ADMIN_TOKEN");
    assert!(!shown.contains("hunter2"));
}

#[test]
fn a_wrong_file_is_refused_with_line_and_advice() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("raincheck.toml");
    let run = |arguments: &[&str]| said(command(folder.path(), arguments), None);
    std::fs::write(&file, "[server]\nlisen = \"x\"\n\n[kinds.\"a.b\"]\nrun = [\"./no-such-program\"]\n").unwrap();
    for arguments in [&["config", "check"][..], &["serve", "--listen", "127.0.0.1:0"]] {
        let err = run(arguments).with(2).err;
        assert!(
            err.contains("raincheck.toml:2: server.lisen: there is no such setting; did you mean `listen`?"),
            "{err}"
        );
    }
    std::fs::write(&file, "\n[kinds.\"a.b\"]\nrun = [\"./no-such-program\"]\n").unwrap();
    for arguments in [&["config", "check"][..], &["serve", "--listen", "127.0.0.1:0"]] {
        let err = run(arguments).with(2).err;
        assert!(err.contains("raincheck.toml:3: kind a.b: there is no program"), "{err}");
        assert!(err.contains("next: install the program"), "{err}");
    }
    std::fs::write(&file, "[server]\ngrace = \"7s\"\n[kinds.k]\nrun = [\"true\"]\n").unwrap();
    assert_eq!(run(&["config", "check"]).with(0).err, "");
    std::fs::write(&file, "[server]\ngrace = \"8s\"\n").unwrap();
    let err = run(&["config", "check"]).with(0).err;
    assert!(err.contains("raincheck.toml:2: server.grace: of 8s a server that is told to stop gives 7s"), "{err}");
    let err = run(&["serve", "--config", "nowhere.toml"]).with(2).err;
    assert!(err.contains("nowhere.toml") && err.contains("config init"), "{err}");
}
