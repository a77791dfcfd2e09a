//! A system that gives next to nothing: that is said, with what to do, and nothing panics.

use std::process::{Command, Stdio};

use super::said;

/// Shells differ in the name of it.
const PROCESSES: &str = "{ ulimit -u 1 || ulimit -p 1; } 2>/dev/null";

#[test]
fn without_files_or_threads_a_command_says_what_it_lacks() {
    let folder = tempfile::tempdir().unwrap();
    // Root has as many processes as it likes, so somebody else has to lack them, who can reach the program.
    let program = folder.path().join("raincheck");
    std::fs::copy(env!("CARGO_BIN_EXE_raincheck"), &program).unwrap();
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let is_root = rustix::process::geteuid().is_root();
    for (limit, says) in
        [("ulimit -n 6", "next: raise the limit of open files"), (PROCESSES, "next: raise the limit of processes")]
    {
        for verb in ["serve --ephemeral --listen 127.0.0.1:0", "work --kind k -- true", "list"] {
            let script = format!("{limit} && exec {} {verb}", program.display());
            let mut limited = Command::new(if limit == PROCESSES && is_root { "setpriv" } else { "sh" });
            if limit == PROCESSES && is_root {
                limited.args(["--reuid=54321", "--clear-groups", "sh"]);
            }
            limited.args(["-c", &script]).current_dir(folder.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
            let err = said(limited, None).with(1).err;
            assert!(err.contains(says) && !err.contains("panicked"), "{verb}: {err}");
        }
    }
}
