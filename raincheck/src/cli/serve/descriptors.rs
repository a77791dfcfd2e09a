//! A connection is an open file: room for as many as are wanted, or fewer connections.

use raincheck_client::run::command::raise_open_files;

/// Open files that are not connections: the database, payloads, pipes of commands.
const OTHERS: u64 = 512;

/// Raises the limit of open files, and answers how many of the `wanted` connections it leaves room for.
pub fn connections(wanted: usize) -> usize {
    let files = raise_open_files((wanted as u64).saturating_add(OTHERS)).unwrap_or_else(|error| {
        tracing::warn!(%error, "the limit of open files cannot be raised");
        1_024
    });
    let room = usize::try_from(files.saturating_sub(OTHERS).max(files / 2)).unwrap_or(usize::MAX);
    if room < wanted {
        tracing::warn!(files, connections = room, "open files are limited by the system: fewer connections are taken");
    }
    room.min(wanted)
}
