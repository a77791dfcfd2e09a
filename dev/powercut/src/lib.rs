//! Stands between a program and its C library (`LD_PRELOAD`) and writes down, in order, what the program does to files
//! below one folder: what it writes, and what it syncs. From that record `torture` makes the disk that a power cut
//! would have left. Only functions that the server uses are covered.
//!
//! `POWERCUT_FOLDER` is the folder, `POWERCUT_RECORD` the record. `POWERCUT_NO_LOG_SYNC` names a thread whose syncs of
//! SQLite's write-ahead log are left out: what `PRAGMA synchronous=NORMAL` would leave out of its commits.

mod files;
mod path;
mod real;
mod record;

use std::ffi::CStr;

use libc::{AT_FDCWD, c_char, c_int, c_void, iovec, mode_t, off64_t, size_t, ssize_t};

use files::Kind;
use real::real;
use record::{Op, Recorder};

/// The bytes of a C string.
///
/// # Safety
/// It is one.
unsafe fn text<'a>(path: *const c_char) -> &'a [u8] {
    // SAFETY: as the caller says.
    unsafe { CStr::from_ptr(path) }.to_bytes()
}

/// # Safety
/// As `open(2)`. That the mode is a plain argument here is how variadic calls are made on this platform too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn open(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    let real = real!(c"open" as fn(*const c_char, c_int, mode_t) -> c_int);
    // SAFETY: passed on.
    unsafe { opened(path, flags, || real(path, flags, mode)) }
}

/// # Safety
/// As `open(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn open64(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    let real = real!(c"open64" as fn(*const c_char, c_int, mode_t) -> c_int);
    // SAFETY: passed on.
    unsafe { opened(path, flags, || real(path, flags, mode)) }
}

unsafe fn opened(path: *const c_char, flags: c_int, open: impl FnOnce() -> c_int) -> c_int {
    // SAFETY: as the caller of `open` says.
    let Some((recorder, path)) = Recorder::of(AT_FDCWD, unsafe { text(path) }) else { return open() };
    let mut record = recorder.lock();
    let made = flags & libc::O_CREAT != 0 && !path.exists();
    let descriptor = open();
    if descriptor >= 0 {
        let (node, kind) = files::track(descriptor, &path);
        record.add(if made { Op::Create } else { Op::Open }, node, 0, &path.below());
        if flags & libc::O_TRUNC != 0 && kind != Kind::Folder {
            record.add(Op::Truncate, node, 0, &[]);
        }
    }
    descriptor
}

/// # Safety
/// As `close(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn close(descriptor: c_int) -> c_int {
    let real = real!(c"close" as fn(c_int) -> c_int);
    files::forget(descriptor);
    // SAFETY: passed on.
    unsafe { real(descriptor) }
}

/// Does a write and records what of `bytes` it took; `place` tells where from how much that was.
fn written(
    descriptor: c_int,
    bytes: &[u8],
    write: impl FnOnce() -> ssize_t,
    place: impl FnOnce(u64) -> u64,
) -> ssize_t {
    let Some((recorder, node)) = Recorder::tracked(descriptor) else { return write() };
    let mut record = recorder.lock();
    let taken = write();
    if let Ok(count) = usize::try_from(taken)
        && count > 0
    {
        record.add(Op::Write, node, place(count as u64), &bytes[..count]);
    }
    taken
}

/// Where the bytes written last began: they end where the descriptor stands, with `O_APPEND` too.
fn behind(descriptor: c_int) -> impl FnOnce(u64) -> u64 {
    // SAFETY: asks for a place, changes nothing.
    move |count| (unsafe { libc::lseek64(descriptor, 0, libc::SEEK_CUR) } as u64).wrapping_sub(count)
}

/// # Safety
/// As `write(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn write(descriptor: c_int, bytes: *const c_void, count: size_t) -> ssize_t {
    let real = real!(c"write" as fn(c_int, *const c_void, size_t) -> ssize_t);
    if !files::is_tracked(descriptor) {
        // SAFETY: passed on.
        return unsafe { real(descriptor, bytes, count) };
    }
    // SAFETY: the caller says that they are there.
    let slice = unsafe { std::slice::from_raw_parts(bytes.cast::<u8>(), count) };
    // SAFETY: passed on.
    written(descriptor, slice, || unsafe { real(descriptor, bytes, count) }, behind(descriptor))
}

/// # Safety
/// As `writev(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn writev(descriptor: c_int, parts: *const iovec, count: c_int) -> ssize_t {
    let real = real!(c"writev" as fn(c_int, *const iovec, c_int) -> ssize_t);
    if !files::is_tracked(descriptor) {
        // SAFETY: passed on.
        return unsafe { real(descriptor, parts, count) };
    }
    // SAFETY: the caller says that they are there.
    let parts_ = unsafe { std::slice::from_raw_parts(parts, usize::try_from(count).unwrap_or(0)) };
    // SAFETY: as above, for each.
    let one = |part: &iovec| unsafe { std::slice::from_raw_parts(part.iov_base.cast::<u8>(), part.iov_len) };
    let bytes = parts_.iter().map(one).collect::<Vec<_>>().concat();
    // SAFETY: passed on.
    written(descriptor, &bytes, || unsafe { real(descriptor, parts, count) }, behind(descriptor))
}

/// # Safety
/// As `pwrite(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pwrite64(descriptor: c_int, bytes: *const c_void, count: size_t, place: off64_t) -> ssize_t {
    let real = real!(c"pwrite64" as fn(c_int, *const c_void, size_t, off64_t) -> ssize_t);
    // SAFETY: the caller says that they are there.
    let slice = unsafe { std::slice::from_raw_parts(bytes.cast::<u8>(), count) };
    // SAFETY: passed on.
    written(descriptor, slice, || unsafe { real(descriptor, bytes, count, place) }, |_| place as u64)
}

/// # Safety
/// As `ftruncate(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftruncate64(descriptor: c_int, length: off64_t) -> c_int {
    let real = real!(c"ftruncate64" as fn(c_int, off64_t) -> c_int);
    let Some((recorder, node)) = Recorder::tracked(descriptor) else {
        // SAFETY: passed on.
        return unsafe { real(descriptor, length) };
    };
    let mut record = recorder.lock();
    // SAFETY: passed on.
    let done = unsafe { real(descriptor, length) };
    if done == 0 {
        record.add(Op::Truncate, node, length as u64, &[]);
    }
    done
}

/// What was written when the sync began is on disk when it has ended well.
fn synced(descriptor: c_int, sync: impl FnOnce() -> c_int) -> c_int {
    let Some((recorder, node)) = Recorder::tracked(descriptor) else { return sync() };
    if files::is_wal(descriptor) && recorder.leaves_out_this_thread() {
        return 0;
    }
    let before = recorder.lock().length();
    let done = sync();
    if done == 0 {
        recorder.lock().add(Op::Sync, node, before, &[]);
    }
    done
}

/// # Safety
/// As `fsync(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsync(descriptor: c_int) -> c_int {
    let real = real!(c"fsync" as fn(c_int) -> c_int);
    // SAFETY: passed on.
    synced(descriptor, || unsafe { real(descriptor) })
}

/// # Safety
/// As `fdatasync(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fdatasync(descriptor: c_int) -> c_int {
    let real = real!(c"fdatasync" as fn(c_int) -> c_int);
    // SAFETY: passed on.
    synced(descriptor, || unsafe { real(descriptor) })
}

/// Does something to a name, and records it if it went well.
fn named(op: Op, at: c_int, path: &[u8], act: impl FnOnce() -> c_int) -> c_int {
    let Some((recorder, path)) = Recorder::of(at, path) else { return act() };
    let mut record = recorder.lock();
    let done = act();
    if done == 0 {
        record.add(op, 0, 0, &path.below());
    }
    done
}

/// The same to two names, both below the folder or neither.
fn renamed(op: Op, from: (c_int, &[u8]), to: (c_int, &[u8]), act: impl FnOnce() -> c_int) -> c_int {
    let (Some((recorder, from)), Some((_, to))) = (Recorder::of(from.0, from.1), Recorder::of(to.0, to.1)) else {
        return act();
    };
    let mut record = recorder.lock();
    let done = act();
    if done == 0 {
        record.add(op, 0, 0, &[from.below(), to.below()].join(&0));
    }
    done
}

/// # Safety
/// As `mkdir(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mkdir(path: *const c_char, mode: mode_t) -> c_int {
    let real = real!(c"mkdir" as fn(*const c_char, mode_t) -> c_int);
    // SAFETY: passed on.
    unsafe { named(Op::Folder, AT_FDCWD, text(path), || real(path, mode)) }
}

/// # Safety
/// As `rmdir(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rmdir(path: *const c_char) -> c_int {
    let real = real!(c"rmdir" as fn(*const c_char) -> c_int);
    // SAFETY: passed on.
    unsafe { named(Op::Remove, AT_FDCWD, text(path), || real(path)) }
}

/// # Safety
/// As `unlink(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn unlink(path: *const c_char) -> c_int {
    let real = real!(c"unlink" as fn(*const c_char) -> c_int);
    // SAFETY: passed on.
    unsafe { named(Op::Remove, AT_FDCWD, text(path), || real(path)) }
}

/// # Safety
/// As `unlinkat(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn unlinkat(at: c_int, path: *const c_char, flags: c_int) -> c_int {
    let real = real!(c"unlinkat" as fn(c_int, *const c_char, c_int) -> c_int);
    // SAFETY: passed on.
    unsafe { named(Op::Remove, at, text(path), || real(at, path, flags)) }
}

/// # Safety
/// As `rename(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rename(from: *const c_char, to: *const c_char) -> c_int {
    let real = real!(c"rename" as fn(*const c_char, *const c_char) -> c_int);
    // SAFETY: passed on.
    unsafe { renamed(Op::Rename, (AT_FDCWD, text(from)), (AT_FDCWD, text(to)), || real(from, to)) }
}

/// # Safety
/// As `linkat(2)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkat(
    from_at: c_int,
    from: *const c_char,
    to_at: c_int,
    to: *const c_char,
    flags: c_int,
) -> c_int {
    let real = real!(c"linkat" as fn(c_int, *const c_char, c_int, *const c_char, c_int) -> c_int);
    // SAFETY: passed on.
    unsafe { renamed(Op::Link, (from_at, text(from)), (to_at, text(to)), || real(from_at, from, to_at, to, flags)) }
}
