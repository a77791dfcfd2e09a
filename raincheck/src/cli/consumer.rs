//! The program that `raincheck events` hands events to.

use std::{ffi::OsString, io::ErrorKind, os::unix::process::ExitStatusExt as _, process::Stdio};

use raincheck_client::Event;
use tokio::{io::AsyncWriteExt as _, pin, process::Command};

use super::{
    bars::say,
    exit::{Exit, Failure},
    signals::Signals,
};

/// A program that is started for each page of events, and what tells this one to stop meanwhile.
pub struct Consumer {
    program: OsString,
    arguments: Vec<OsString>,
    signals: Signals,
    is_stopping: bool,
}

impl Consumer {
    /// From what stands behind `--`, if something does.
    ///
    /// # Errors
    /// When signals can't be listened to.
    pub fn of(program: Vec<OsString>) -> Result<Option<Self>, Failure> {
        let mut arguments = program.into_iter();
        let Some(program) = arguments.next() else { return Ok(None) };
        let signals = Signals::listen()?;
        Ok(Some(Self { program, arguments: arguments.collect(), signals, is_stopping: false }))
    }

    /// Whether this command was told to stop.
    pub fn is_stopping(&self) -> bool {
        self.is_stopping
    }

    /// What `work` comes to, unless this command is told to stop before.
    pub async fn unless_stopped<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            done = work => Some(done),
            () = self.signals.stop() => None,
        }
    }

    /// Hands it events, a line of JSON each, and returns when it has dealt with them. Told to stop, this waits for it; told
    /// again, it ends it.
    ///
    /// # Errors
    /// When it can't be started, or does not end with 0: then it has not dealt with them.
    pub async fn take(&mut self, events: &[Event]) -> Result<(), Failure> {
        let Self { program, arguments, signals, is_stopping } = self;
        let name = program.to_string_lossy().into_owned();
        let mut command = Command::new(program);
        let handed = hand(command.args(arguments), &name, events);
        pin!(handed);
        loop {
            tokio::select! {
                ended = &mut handed => return ended,
                () = signals.stop() => {
                    if *is_stopping {
                        return Err(Failure::new(Exit::Failed, format!("{name} was killed before it had ended")));
                    }
                    *is_stopping = true;
                    say(&format!("waiting for {name} to end; a second signal kills it"));
                }
            }
        }
    }
}

async fn hand(command: &mut Command, name: &str, events: &[Event]) -> Result<(), Failure> {
    let mut lines = Vec::new();
    for event in events {
        serde_json::to_writer(&mut lines, event)?;
        lines.push(b'\n');
    }
    let failed = |what: &str, error| Failure::usage(format!("{name} cannot be {what}: {error}"));
    let mut child =
        command.stdin(Stdio::piped()).kill_on_drop(true).spawn().map_err(|error| failed("started", error))?;
    let stdin = child.stdin.take();
    let write = async {
        match stdin {
            Some(mut stdin) => stdin.write_all(&lines).await,
            None => Ok(()),
        }
    };
    let status = tokio::select! {
        // What it has not read, it does not need.
        status = child.wait() => status,
        written = write => match written {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error),
            _ => child.wait().await,
        },
    };
    let status = status.map_err(|error| failed("handed events", error))?;
    match (status.code(), status.signal()) {
        (Some(0), _) => Ok(()),
        (Some(code), _) => Err(Failure::new(Exit::Failed, format!("{name} ended with exit code {code}"))),
        (None, signal) => {
            let signal = signal.map_or_else(|| "a signal".to_owned(), |signal| format!("signal {signal}"));
            Err(Failure::new(Exit::Failed, format!("{name} was ended by {signal}")))
        }
    }
}
