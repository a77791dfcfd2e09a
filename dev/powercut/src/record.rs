//! The record: one entry after the other in the order in which things were done. `torture` reads it back.
//!
//! An entry is its operation (1 byte), a file's number (8), a place (8), the length of what follows (4), and that:
//! bytes that were written, or a path below the folder, or two with a zero between. All little-endian.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use libc::{AT_FDCWD, c_char, c_int, c_void, mode_t, size_t, ssize_t};

use crate::files;
use crate::path::Path;
use crate::real::{give_up, real};

/// What was done.
#[derive(Clone, Copy)]
#[repr(u8)]
pub enum Op {
    /// A file was made: number, path.
    Create = b'C',
    /// A file or folder that was there was opened: number, path.
    Open = b'O',
    /// Bytes were written: number, place, bytes.
    Write = b'W',
    /// A file got this length: number, length.
    Truncate = b'T',
    /// Everything done to a file or folder before this place of the record is on disk: number, place.
    Sync = b'S',
    /// A folder was made: path.
    Folder = b'M',
    /// A name was removed: path.
    Remove = b'U',
    /// A name was changed: both paths.
    Rename = b'R',
    /// A second name was given: both paths.
    Link = b'L',
}

/// Where to write down what.
pub struct Recorder {
    folder: Vec<u8>,
    leaves_out: Option<Vec<u8>>,
    record: Mutex<Record>,
}

/// The end of the record.
pub struct Record {
    descriptor: c_int,
    length: u64,
}

static RECORDER: OnceLock<Option<Recorder>> = OnceLock::new();

impl Recorder {
    fn get() -> Option<&'static Recorder> {
        RECORDER.get_or_init(Recorder::from_environment).as_ref()
    }

    fn from_environment() -> Option<Recorder> {
        let variable = |name| std::env::var_os(name).map(|value| value.as_bytes().to_vec());
        let folder = variable("POWERCUT_FOLDER")?;
        let path = variable("POWERCUT_RECORD").and_then(|path| CString::new(path).ok())?;
        let open = real!(c"open64" as fn(*const c_char, c_int, mode_t) -> c_int);
        let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_TRUNC | libc::O_APPEND | libc::O_CLOEXEC;
        // SAFETY: a C string and numbers.
        let descriptor = unsafe { open(path.as_ptr(), flags, 0o644) };
        if descriptor < 0 {
            give_up("the record cannot be made");
        }
        let leaves_out = variable("POWERCUT_NO_LOG_SYNC");
        Some(Recorder { folder, leaves_out, record: Mutex::new(Record { descriptor, length: 0 }) })
    }

    /// The recorder and the path, if that is below the folder.
    pub fn of(at: c_int, path: &[u8]) -> Option<(&'static Recorder, Path)> {
        let recorder = Recorder::get()?;
        let whole = if path.starts_with(b"/") || at == AT_FDCWD {
            path.to_vec()
        } else {
            let folder = std::fs::read_link(format!("/proc/self/fd/{at}")).ok()?;
            [folder.as_os_str().as_bytes(), b"/", path].concat()
        };
        let rest = whole.strip_prefix(&recorder.folder[..])?;
        (rest.is_empty() || rest.starts_with(b"/")).then_some((recorder, Path { folder: recorder.folder.len(), whole }))
    }

    /// The recorder and the file's number, if the descriptor is of a file below the folder.
    pub fn tracked(descriptor: c_int) -> Option<(&'static Recorder, u64)> {
        let node = files::node(descriptor)?;
        Recorder::get().map(|recorder| (recorder, node))
    }

    /// While this is held nothing else is done to the files, so that the record has the order of what was done.
    pub fn lock(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this thread's syncs of the write-ahead log are left out.
    pub fn leaves_out_this_thread(&self) -> bool {
        let Some(name) = &self.leaves_out else { return false };
        let mut own = [0_u8; 16];
        // SAFETY: it writes at most 16 bytes, a zero at the end.
        unsafe { libc::prctl(libc::PR_GET_NAME, own.as_mut_ptr()) };
        own.split(|byte| *byte == 0).next() == Some(name)
    }
}

impl Record {
    /// How long it is.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Adds an entry. One write, so that a kill leaves it whole, or cut off at the very end.
    pub fn add(&mut self, op: Op, node: u64, place: u64, bytes: &[u8]) {
        let Ok(length) = u32::try_from(bytes.len()) else { give_up("a write is too long") };
        let mut entry = Vec::with_capacity(21 + bytes.len());
        entry.push(op as u8);
        entry.extend_from_slice(&node.to_le_bytes());
        entry.extend_from_slice(&place.to_le_bytes());
        entry.extend_from_slice(&length.to_le_bytes());
        entry.extend_from_slice(bytes);
        let write = real!(c"write" as fn(c_int, *const c_void, size_t) -> ssize_t);
        // SAFETY: the bytes are ours.
        let taken = unsafe { write(self.descriptor, entry.as_ptr().cast(), entry.len()) };
        if usize::try_from(taken) != Ok(entry.len()) {
            give_up("the record cannot be written");
        }
        self.length += entry.len() as u64;
    }
}
