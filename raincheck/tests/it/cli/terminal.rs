//! On a terminal: a pseudo one, which is the controlling one of a session of its own.

use std::{fs::File, io::Read as _, os::unix::fs::OpenOptionsExt as _, path::Path, process::Command};

use rustix::{
    fs::OFlags,
    process::Signal,
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
};

use super::{Cli, Worker, command, until};

/// A command on a terminal. Dropping `screen` closes that.
struct Terminal {
    screen: File,
    child: Worker,
}

impl Terminal {
    fn run(command: &Command) -> Self {
        let screen = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&screen).unwrap();
        unlockpt(&screen).unwrap();
        let name = ptsname(&screen, Vec::new()).unwrap().into_string().unwrap();
        let flags = i32::try_from(OFlags::NOCTTY.bits()).unwrap();
        let open = || File::options().read(true).write(true).custom_flags(flags).open(&name).unwrap();
        let mut session = Command::new("setsid");
        // Whoever runs the tests may have it ignored.
        session.args(["--ctty", "env", "--default-signal=HUP"]).arg(command.get_program()).args(command.get_args());
        session.current_dir(command.get_current_dir().unwrap()).env_clear();
        let said = command.get_envs().filter_map(|(name, value)| Some((name, value?)));
        session.envs(said).env("TERM", "xterm");
        session.stdin(open()).stdout(open()).stderr(open());
        Self { screen: screen.into(), child: Worker(session.spawn().unwrap()) }
    }

    /// What it shows until it has shown this.
    fn shows(&mut self, what: &str) -> String {
        let mut shown = String::new();
        while !shown.contains(what) {
            let mut piece = [0; 4096];
            let read = self.screen.read(&mut piece).unwrap_or_else(|error| panic!("{error} before {what}: {shown}"));
            shown.push_str(&String::from_utf8_lossy(&piece[..read]));
        }
        shown
    }

    /// What it shows until its end.
    fn shown(mut self) -> String {
        let mut shown = Vec::new();
        // Its end is an error: nobody has the other side open.
        let _ = self.screen.read_to_end(&mut shown);
        assert_eq!(self.child.ended(), Some(0), "{}", String::from_utf8_lossy(&shown));
        String::from_utf8(shown).unwrap()
    }
}

#[test]
fn text_of_others_does_not_turn_a_terminal_around() {
    let cli = Cli::new();
    let (text, json) = ("invoice\u{202e}gpj.exe\u{9b}31m", "\"\u{2066}a\u{202e}b\u{9b}\u{7f}\"");
    let tag = format!("who={text}");
    let id = cli.run(&["submit", "k", json, "--label", "a\u{202e}b", "--tag", &tag.replace('\u{9b}', "")]).well();
    let mut worker = cli.work(&[
        "--kind",
        "k",
        "--stream",
        "--",
        "sh",
        "-c",
        "tee /dev/stderr; cat $RAINCHECK_INPUT >$RAINCHECK_RESULT",
    ]);
    let terminal = |arguments: &[&str]| Terminal::run(&cli.command(arguments)).shown();
    let mut all = vec![("watch", terminal(&["watch", &id]))];
    for arguments in [
        &["list"][..],
        &["list", "-o", "json"],
        &["list", "-o", "jsonl"],
        &["get", &id, "--input"],
        &["get", &id, "-o", "json", "--input"],
        &["result", &id],
        &["log", &id],
        &["stream", &id],
        &["events"],
        &["events", "-o", "jsonl"],
        &["submit", "k", json, "--wait=20s"],
    ] {
        all.push((arguments[0], terminal(arguments)));
    }
    for (verb, shown) in &all {
        let drives = |c: char| matches!(c, '\u{202e}' | '\u{2066}' | '\u{9b}' | '\u{7f}');
        assert!(!shown.contains(drives), "{verb}: {shown:?}");
    }
    assert!(all[2].1.contains("a\\u202eb"), "JSON stays what it means: {:?}", all[2]);
    // Where no terminal is, every byte is as it was.
    assert_eq!(cli.run(&["result", &id]).well(), json);
    assert!(cli.run(&["list", "-o", "json"]).well().contains("a\u{202e}b"));
    assert_eq!(worker.stop(), Some(0));
}

fn serve(folder: &Path) -> Command {
    command(folder, &["serve", "--listen", "127.0.0.1:0", "--log-format", "json", "--data", "data"])
}

#[test]
fn a_server_ends_with_its_terminal_and_reads_its_settings_while_it_has_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Terminal::run(&serve(folder.path()));
    server.shows("\"msg\":\"ready\"");
    server.child.tell(Signal::HUP);
    server.shows("settings read again");
    let Terminal { screen, mut child } = server;
    drop(screen);
    assert_eq!(child.ended(), Some(0), "it drains");
}

#[test]
fn a_worker_whose_terminal_goes_away_finishes_what_it_runs() {
    let cli = Cli::new();
    let (begun, go) = (cli.folder.path().join("BEGUN"), cli.folder.path().join("GO"));
    let script = "touch BEGUN; while [ ! -e GO ]; do sleep 0.05; done; echo done";
    let Terminal { screen, mut child } =
        Terminal::run(&cli.command(&["work", "--kind", "k", "--", "sh", "-c", script]));
    let id = cli.run(&["submit", "k"]).well();
    until("it runs", || begun.exists());
    drop(screen);
    // It takes nothing new any more.
    let next = cli.run(&["submit", "k"]).well();
    std::fs::write(go, "").unwrap();
    assert_eq!(child.ended(), Some(0));
    assert_eq!(cli.run(&["result", &id]).well(), "done");
    assert_eq!(cli.job(&next, "state"), "queued");
}
