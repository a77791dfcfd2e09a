//! The private directory of a run, and the files in it.

use std::{
    ffi::CStr,
    fs, io,
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::fs::PermissionsExt as _,
    },
    path::{Path, PathBuf},
    sync::Arc,
};

use rustix::{
    fs::{AtFlags, FileType, Mode, Stat, fstat, lstat, mkdirat, open, openat, statat, unlinkat},
    io::Errno,
};

use super::{
    abandoned::{self, PREFIX, PRIVATE_NAME},
    plan::Plan,
    remove::{self, DIRECTORY},
};
use crate::Error;

/// Nobody else looks in.
const PRIVATE: u32 = 0o700;
/// More names than a run has of itself.
const FEW: usize = 5;

/// Names in it.
const INPUT: &str = "input";
/// The result that a program writes.
pub(super) const RESULT: &str = "result";
/// What it says about its result.
pub(super) const META: &str = "result.meta";

/// Removed when dropped.
pub(super) struct Scratch {
    path: PathBuf,
    /// The directory itself: what bears its name later may be something else.
    directory: Arc<OwnedFd>,
}

impl Scratch {
    pub(super) fn new(plan: &Plan) -> Result<Self, Error> {
        Self::make(plan).map_err(|source| Error::io("cannot make a temporary directory", source))
    }

    fn make(plan: &Plan) -> io::Result<Self> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(PREFIX).permissions(fs::Permissions::from_mode(PRIVATE));
        let made = builder.tempdir_in(plan.folder())?;
        let directory = Arc::new(open(made.path(), DIRECTORY, Mode::empty())?);
        // Before it has what it is known by to who sweeps.
        abandoned::hold(&directory)?;
        // Apart from the rest, so that no name that the program chooses meets one of these.
        mkdirat(&directory, PRIVATE_NAME, Mode::RWXU)?;
        Ok(Self { path: made.keep(), directory })
    }

    /// Makes it as new; `false` when a program has changed what cannot be taken back. To make a directory and to remove
    /// it costs more than to start many a program.
    pub(super) fn clear(&self) -> io::Result<bool> {
        if !self.is_as_made()? {
            return Ok(false);
        }
        // Removed and not emptied: whoever still has one open must not write into the next run.
        remove::contents(self.directory.as_fd(), |name| {
            Ok(match name.to_bytes() {
                b"input" => self.is_input_untouched()?,
                b"tmp" => self.is_private_untouched(),
                _ => false,
            })
        })?;
        match mkdirat(&self.directory, PRIVATE_NAME, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    /// As [`Scratch::clear`], if that takes a few steps: of most programs nothing is left. `None` if it takes more.
    pub(super) fn clear_few(&self) -> io::Result<Option<bool>> {
        if !self.is_as_made()? {
            return Ok(Some(false));
        }
        let names = remove::names(&self.directory, FEW)?;
        let ours = |name: &CStr| [INPUT, PRIVATE_NAME, RESULT, META].iter().any(|known| is(name, known));
        if !names.iter().all(|name| ours(name)) || !self.is_private_untouched() {
            return Ok(None);
        }
        for name in names.iter().filter(|name| !is(name, PRIVATE_NAME)) {
            let kept = is(name, INPUT) && self.is_input_untouched()?;
            if !kept && unlinkat(&self.directory, name, AtFlags::empty()).is_err() {
                // A directory, or what else takes more than one step.
                return Ok(None);
            }
        }
        Ok(Some(true))
    }

    /// To open what is in it by name, whatever becomes of its own.
    pub(super) fn directory(&self) -> Arc<OwnedFd> {
        self.directory.clone()
    }

    /// Whether somebody has removed it; what is moved away is still there.
    pub(super) fn is_gone(&self) -> bool {
        fstat(&self.directory).is_ok_and(|own| own.st_nlink == 0)
    }

    pub(super) fn whole(&self) -> &Path {
        &self.path
    }

    /// For the program to do with as it likes.
    pub(super) fn private(&self) -> PathBuf {
        self.path.join(PRIVATE_NAME)
    }

    pub(super) fn input(&self) -> PathBuf {
        self.path.join(INPUT)
    }

    pub(super) fn result(&self) -> PathBuf {
        self.path.join(RESULT)
    }

    pub(super) fn meta(&self) -> PathBuf {
        self.path.join(META)
    }

    fn is_input_untouched(&self) -> io::Result<bool> {
        Ok(is_untouched(&statat(&self.directory, INPUT, AtFlags::SYMLINK_NOFOLLOW)?))
    }

    /// What cannot even be looked at is made anew.
    fn is_private_untouched(&self) -> bool {
        let look = || -> io::Result<bool> {
            let directory = openat(&self.directory, PRIVATE_NAME, DIRECTORY, Mode::empty())?;
            Ok(fstat(&directory)?.st_mode & 0o7777 == PRIVATE && remove::is_empty(directory)?)
        };
        look().unwrap_or(false)
    }

    /// A program may have moved it away, and put a link to somewhere else in its place.
    fn is_as_made(&self) -> io::Result<bool> {
        let named = match lstat(&self.path) {
            Err(Errno::NOENT) => return Ok(false),
            named => named?,
        };
        let own = fstat(&self.directory)?;
        Ok((named.st_dev, named.st_ino) == (own.st_dev, own.st_ino) && own.st_mode & 0o7777 == PRIVATE)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let remove_all = |path: &Path| {
            if let Err(error) = remove::tree(path) {
                tracing::warn!("{}", remove::left(path, &error));
            }
        };
        if !matches!(self.clear_few(), Ok(Some(true))) {
            // Much takes long, and this may be a thread that serves others.
            let path = self.path.clone();
            if std::thread::Builder::new().spawn(move || remove_all(&path)).is_ok() {
                return;
            }
        }
        remove_all(&self.path);
    }
}

fn is(name: &CStr, known: &str) -> bool {
    name.to_bytes() == known.as_bytes()
}

/// An empty file says nothing to whoever still has it open, and where every process of a run is ended, nobody writes to it
/// any more. It is kept because ext4 gives out no inode again that was freed within a minute or more, and looks over all
/// of those for each new file: at some hundred files a second that is most of the time of a short job.
fn is_untouched(file: &Stat) -> bool {
    cfg!(target_os = "linux")
        && FileType::from_raw_mode(file.st_mode).is_file()
        && file.st_size == 0
        && file.st_nlink == 1
        && file.st_mode & 0o7600 == 0o600
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::command::Command;

    fn names(path: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// What is removed by a thread of its own is gone in the end.
    fn in_the_end(path: &Path, expected: &[&str]) {
        let begun = std::time::Instant::now();
        while names(path) != expected {
            assert!(begun.elapsed().as_secs() < 20, "{:?}", names(path));
            std::thread::yield_now();
        }
    }

    fn scratch(parent: &Path) -> Scratch {
        Scratch::new(&Command::builder("true", [""; 0]).scratch(parent).plan).unwrap()
    }

    #[test]
    fn nothing_of_a_run_is_there_in_the_next() {
        let parent = tempfile::tempdir().unwrap();
        let scratch = || scratch(parent.path());
        let used = scratch();
        fs::write(used.input(), "").unwrap();
        fs::write(used.result(), "result").unwrap();
        assert_eq!(used.clear_few().unwrap(), Some(true));
        fs::create_dir(used.result()).unwrap();
        assert_eq!(used.clear_few().unwrap(), None);
        fs::create_dir_all(used.whole().join("other/deep")).unwrap();
        fs::create_dir(used.private().join("left")).unwrap();
        assert_eq!(used.clear_few().unwrap(), None);
        assert!(used.clear().unwrap() && used.clear_few().unwrap() == Some(true));
        let kept: &[&str] = if cfg!(target_os = "linux") { &["input", "tmp"] } else { &["tmp"] };
        assert_eq!(names(used.whole()), kept);
        assert!(names(&used.private()).is_empty());

        // A second name, which is somebody's; something in it; a directory elsewhere; none.
        fs::write(used.input(), "").unwrap();
        fs::hard_link(used.input(), parent.path().join("second")).unwrap();
        assert!(used.clear().unwrap());
        assert_eq!(names(used.whole()), ["tmp"]);
        fs::write(used.input(), "in").unwrap();
        fs::remove_dir(used.private()).unwrap();
        std::os::unix::fs::symlink(parent.path(), used.private()).unwrap();
        assert!(used.clear().unwrap() && names(used.whole()) == ["tmp"] && names(&used.private()).is_empty());
        fs::remove_dir(used.private()).unwrap();
        assert!(used.clear().unwrap() && names(used.whole()) == ["tmp"]);
        // One that others may look into.
        let open = scratch();
        fs::set_permissions(open.whole(), fs::Permissions::from_mode(0o755)).unwrap();
        assert!(!open.clear().unwrap());
        drop((used, open));
        in_the_end(parent.path(), &["second"]);
    }

    #[test]
    fn a_link_in_its_place_leads_nowhere() {
        let parent = tempfile::tempdir().unwrap();
        let (precious, moved) = (parent.path().join("precious"), parent.path().join("moved"));
        fs::create_dir_all(precious.join("tmp/deep")).unwrap();
        for file in ["input", "file"] {
            fs::write(precious.join(file), "kept").unwrap();
        }
        let used = scratch(parent.path());
        fs::rename(used.whole(), &moved).unwrap();
        std::os::unix::fs::symlink(&precious, used.whole()).unwrap();
        assert!(!used.clear().unwrap(), "it is not used again");
        drop(used);
        in_the_end(parent.path(), &["moved", "precious"]);
        assert_eq!(names(&precious), ["file", "input", "tmp"]);
        assert_eq!(names(&precious.join("tmp")), ["deep"]);
    }
}
