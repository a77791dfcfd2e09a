//! Sees to it that nothing outlives the process that made it: a child that waits for the end of a pipe, which comes
//! even after `kill -9`, then ends the server and removes the folder.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};
use parking_lot::Mutex;

const SCRIPT: &str = r#"
cat >/dev/null
if read -r pid <"$1/data/postmaster.pid"; then
    kill -QUIT "$pid"
    kill -CONT "$pid"
    while kill -0 "$pid"; do sleep 0.02; done
fi
rm -rf "$1"
"#;

/// The child.
#[derive(Debug)]
pub struct Keeper(Mutex<Child>);

impl Keeper {
    /// Over the cluster in `folder`.
    pub fn watch(folder: &Path) -> Result<Keeper> {
        let mut shell = Command::new("sh");
        shell.args(["-c", SCRIPT, "pgcluster-keeper"]).arg(folder).current_dir("/");
        shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // What a terminal sends to the tests, such as Ctrl-C, is not for it.
        shell.process_group(0);
        Ok(Keeper(Mutex::new(shell.spawn().context("sh does not run")?)))
    }

    /// Has it clean up now, and waits for that.
    pub fn finish(&self) {
        let mut child = self.0.lock();
        drop(child.stdin.take());
        // Nobody is left to tell; what stays behind is a folder.
        let _ = child.wait();
    }
}
