//! Everything below this process: the part of a program that a process group does not hold.

use rustix::process::Pid;

/// Everything below this process, whatever group or session it has moved to.
pub(super) fn descendants() -> Vec<Pid> {
    let parents: Vec<(i32, i32)> =
        std::fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(parent).collect();
    let mut below = vec![rustix::process::getpid().as_raw_nonzero().get()];
    let mut next = 0;
    while let Some(&pid) = below.get(next) {
        below.extend(parents.iter().filter(|(_, parent)| *parent == pid).map(|(child, _)| *child));
        next += 1;
    }
    below.into_iter().skip(1).filter_map(Pid::from_raw).collect()
}

/// A process and its parent, from its directory in `/proc`.
fn parent(entry: std::fs::DirEntry) -> Option<(i32, i32)> {
    let pid = entry.file_name().to_str()?.parse().ok()?;
    let stat = std::fs::read(entry.path().join("stat")).ok()?;
    // The name in parentheses may hold anything, parentheses included.
    let after = stat.iter().rposition(|byte| *byte == b')')?;
    let fields = std::str::from_utf8(stat.get(after + 1..)?).ok()?;
    Some((pid, fields.split_whitespace().nth(1)?.parse().ok()?))
}
