//! Files that a program leaves are its own work, and may be anything: a pipe that nobody writes to, a device, a link to
//! somewhere else. They are opened without waiting and without following links, and only a regular file is read.

use std::{fs::File, io, os::fd::AsFd};

use rustix::{
    fs::{AtFlags, FileType, Mode, OFlags, Stat, fstat, ftruncate, openat, statat},
    io::Errno,
};

/// The regular file of this name in a directory, and its size; `None` if there is nothing of this name.
pub(super) fn open(directory: impl AsFd, name: &str) -> io::Result<Option<(File, u64)>> {
    // Looked at first, because to open a device may do something.
    let Some(there) = look(&directory, name)? else { return Ok(None) };
    only_regular(&there)?;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = openat(&directory, name, flags, Mode::empty())?;
    // It may be another one by now.
    let there = fstat(&file)?;
    only_regular(&there)?;
    Ok(Some((file.into(), size_of(&there))))
}

/// The size of the file of this name in a directory, whatever it is; 0 if there is none.
pub(super) fn size(directory: impl AsFd, name: &str) -> io::Result<u64> {
    Ok(look(directory, name)?.map_or(0, |there| size_of(&there)))
}

/// Takes what is in the file of this name off the disk, if it is a regular file without a second name.
pub(super) fn empty(directory: impl AsFd, name: &str) -> io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::NOCTTY | OFlags::CLOEXEC;
    let is_plain = |file: &Stat| only_regular(file).is_ok() && file.st_nlink == 1;
    if look(&directory, name)?.is_some_and(|there| is_plain(&there)) {
        let file = openat(&directory, name, flags, Mode::empty())?;
        if is_plain(&fstat(&file)?) {
            ftruncate(&file, 0)?;
        }
    }
    Ok(())
}

/// Whether there is anything of this name in a directory.
pub(super) fn is_there(directory: impl AsFd, name: &str) -> io::Result<bool> {
    Ok(look(directory, name)?.is_some())
}

fn look(directory: impl AsFd, name: &str) -> io::Result<Option<Stat>> {
    match statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(there) => Ok(Some(there)),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn size_of(file: &Stat) -> u64 {
    u64::try_from(file.st_size).unwrap_or(0)
}

fn only_regular(file: &Stat) -> io::Result<()> {
    let what = match FileType::from_raw_mode(file.st_mode) {
        FileType::RegularFile => return Ok(()),
        FileType::Symlink => "a symbolic link",
        FileType::Directory => "a directory",
        FileType::Fifo => "a named pipe",
        FileType::Socket => "a socket",
        FileType::CharacterDevice | FileType::BlockDevice => "a device",
        _ => "something else",
    };
    Err(io::Error::other(format!("it is {what}, and only a regular file is read")))
}

#[cfg(test)]
mod tests {
    use std::{
        io::Read as _,
        os::unix::{fs::symlink, net::UnixListener},
    };

    use rustix::fs::{FileType as Type, mknodat};

    use super::*;

    #[test]
    fn only_a_regular_file_is_opened_and_nothing_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let directory = File::open(folder.path()).unwrap();
        std::fs::write(at("plain"), "content").unwrap();
        std::fs::hard_link(at("plain"), at("second name")).unwrap();
        std::fs::create_dir(at("directory")).unwrap();
        mknodat(&directory, "pipe", Type::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let _socket = UnixListener::bind(at("socket")).unwrap();
        for (link, to) in [
            ("to plain", "plain"),
            ("to pipe", "pipe"),
            ("dangling", "nowhere"),
            ("loop", "loop"),
            ("zero", "/dev/zero"),
            ("full", "/dev/full"),
            ("memory", "/proc/self/mem"),
        ] {
            symlink(to, at(link)).unwrap();
        }
        for name in ["directory", "pipe", "socket", "to plain", "to pipe", "dangling", "loop", "zero", "full", "memory"]
        {
            let error = open(&directory, name).unwrap_err();
            assert!(error.to_string().contains("only a regular file is read"), "{name}: {error}");
            empty(&directory, name).unwrap();
        }
        for name in ["plain", "second name"] {
            let (mut file, size) = open(&directory, name).unwrap().unwrap();
            let mut text = String::new();
            file.read_to_string(&mut text).unwrap();
            assert_eq!((text.as_str(), size), ("content", 7));
            empty(&directory, name).unwrap();
            assert_eq!(super::size(&directory, name).unwrap(), 7, "a file that has another name is not emptied");
        }
        std::fs::remove_file(at("second name")).unwrap();
        empty(&directory, "plain").unwrap();
        assert_eq!(super::size(&directory, "plain").unwrap(), 0);
        assert!(open(&directory, "none").unwrap().is_none() && !is_there(&directory, "none").unwrap());
        assert!(is_there(&directory, "dangling").unwrap());
    }
}
