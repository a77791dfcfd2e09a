//! The limit of open files (`RLIMIT_NOFILE` of getrlimit(2)): who serves thousands of connections raises its own; the
//! programs it runs start with the one it was started with, as some loop over every descriptor they might have.

use std::{io, sync::OnceLock};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The soft limit before it was raised.
static BEFORE: OnceLock<u64> = OnceLock::new();

/// Raises this process's soft limit to `enough` open files, or as far as the hard limit allows; answers the limit from
/// then on. One that is higher already stays.
///
/// # Errors
/// When the system refuses.
pub fn raise_open_files(enough: u64) -> io::Result<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // None is: without limit.
    let (soft, hard) = (current.unwrap_or(u64::MAX), maximum.unwrap_or(u64::MAX));
    let wanted = enough.min(hard);
    if wanted <= soft {
        return Ok(soft);
    }
    setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum })?;
    BEFORE.get_or_init(|| soft);
    Ok(wanted)
}

/// What the programs of a worker that raised its limit start with.
pub(super) fn of_programs() -> Option<u64> {
    BEFORE.get().copied()
}

/// Takes the limit back in the supervisor, before it starts the program.
pub(super) fn limit(soft: u64) -> io::Result<()> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    Ok(setrlimit(Resource::Nofile, Rlimit { current: Some(soft), maximum })?)
}
