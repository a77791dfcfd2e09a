//! A system that gives next to nothing: that is said, with what to do, and nothing panics.

use std::process::{Command, Stdio};

use super::said;

#[test]
fn without_files_or_threads_a_command_says_what_it_lacks() {
    let folder = tempfile::tempdir().unwrap();
    // Root has as many processes as it likes, so somebody else has to lack them, who can reach the program.
    let program = folder.path().join("raincheck");
    std::fs::copy(env!("CARGO_BIN_EXE_raincheck"), &program).unwrap();
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let is_root = rustix::process::geteuid().is_root();
    for (limit, says) in
        [("-n 6", "next: raise the limit of open files"), ("-u 1", "next: raise the limit of processes")]
    {
        for verb in ["serve --ephemeral --listen 127.0.0.1:0", "work --kind k -- true", "list"] {
            let script = format!("ulimit {limit} && exec {} {verb}", program.display());
            let mut limited = Command::new(if limit == "-u 1" && is_root { "setpriv" } else { "sh" });
            if limit == "-u 1" && is_root {
                limited.args(["--reuid=54321", "--clear-groups", "sh"]);
            }
            limited.args(["-c", &script]).current_dir(folder.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
            let err = said(limited, None).with(1).err;
            assert!(err.contains(says) && !err.contains("panicked"), "{verb}: {err}");
        }
    }
}
