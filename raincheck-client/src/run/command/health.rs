//! Whether the worker could run anything, whatever the job is. What goes wrong when it could not is no job's fault.

use std::{fs, io};

use rustix::{fs::statvfs, io::Errno};

use super::{plan::Plan, scratch::Scratch};
use crate::Error;

/// So much must fit on the disk of the scratch directories; in bytes.
const PROBE: usize = 64 * 1024;

/// Makes a scratch directory and writes into it.
pub(super) fn check(plan: &Plan) -> Result<(), Error> {
    probe(&Scratch::new(plan)?).map_err(|source| Error::io("cannot write to a temporary directory", source))
}

/// Whether what was written last on its disk may be cut. Asked after each run that succeeded, so it looks before it
/// writes; some file systems say that nothing is free and take more.
pub(super) fn is_full(scratch: &Scratch) -> bool {
    statvfs(scratch.whole()).is_ok_and(|disk| disk.f_blocks > 0 && disk.f_bavail == 0) && probe(scratch).is_err()
}

/// Whether it is an error that no program makes: a disk that fails or is full, too many open files.
pub(super) fn is_own(error: &Error) -> bool {
    let Error::Io { source, .. } = error else { return false };
    Errno::from_io_error(source).is_some_and(|errno| {
        [
            Errno::IO,
            Errno::NOSPC,
            Errno::DQUOT,
            Errno::ROFS,
            Errno::STALE,
            Errno::MFILE,
            Errno::NFILE,
            Errno::NOMEM,
            Errno::AGAIN,
        ]
        .contains(&errno)
    })
}

fn probe(scratch: &Scratch) -> io::Result<()> {
    let path = scratch.whole().join("probe");
    fs::write(&path, vec![0; PROBE])?;
    fs::remove_file(path)
}
