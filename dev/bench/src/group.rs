//! A control group of Linux that bounds the memory of what is started in it, page cache included.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

/// The files of the two versions: bound, bound of the swap, most used, members.
const V2: [&str; 4] = ["memory.max", "memory.swap.max", "memory.peak", "cgroup.procs"];
const V1: [&str; 4] =
    ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "memory.max_usage_in_bytes", "cgroup.procs"];

/// A group, removed when dropped; what runs in it must have ended by then.
pub struct Group {
    folder: PathBuf,
    files: [&'static str; 4],
}

impl Group {
    /// A new one that may use so many bytes, or why this system does not allow it.
    pub fn new(bytes: u64) -> Result<Self, String> {
        let own = fs::read_to_string("/proc/self/cgroup").map_err(|error| format!("/proc/self/cgroup: {error}"))?;
        let name = format!("raincheck-bench-{}", std::process::id());
        let (folder, files) = place(&own, Path::new("/sys/fs/cgroup"), &name)?;
        fs::create_dir(&folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
        let group = Self { folder, files };
        let bound = group.folder.join(files[0]);
        fs::write(&bound, bytes.to_string()).map_err(|error| format!("cannot write {}: {error}", bound.display()))?;
        // Swap is in the way of what is measured; not every kernel counts it, and not every machine has it.
        let swap = if files == V2 { 0 } else { bytes };
        let _ = fs::write(group.folder.join(files[1]), swap.to_string());
        Ok(group)
    }

    /// What stands before a program and its arguments to start it in the group: a shell that joins it and becomes
    /// the program, so that nothing is used outside.
    pub fn prefix(&self) -> Vec<OsString> {
        let join = "echo $$ > \"$0\" && exec \"$@\"";
        vec!["sh".into(), "-c".into(), join.into(), self.folder.join(self.files[3]).into()]
    }

    /// The most memory used in it so far, bytes.
    pub fn peak(&self) -> Option<u64> {
        fs::read_to_string(self.folder.join(self.files[2])).ok()?.trim().parse().ok()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir(&self.folder) {
            eprintln!("{} is left behind: {error}", self.folder.display());
        }
    }
}

/// Where a group may be made, by what `/proc/self/cgroup` says, and the names of its files.
fn place(own: &str, root: &Path, name: &str) -> Result<(PathBuf, [&'static str; 4]), String> {
    let path = |controller: &str| {
        own.lines().find_map(|line| {
            let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
            controllers.split(',').any(|one| one == controller).then(|| path.trim_start_matches('/'))
        })
    };
    if let Some(path) = path("memory") {
        return Ok((root.join("memory").join(path).join(name), V1));
    }
    let path = path("").ok_or("this system has no control groups")?;
    // A group that has members can't have groups with bounds: a new one stands beside ours.
    let parent = root.join(path).parent().filter(|parent| parent.starts_with(root)).unwrap_or(root).to_owned();
    let given = fs::read_to_string(parent.join("cgroup.subtree_control")).unwrap_or_default();
    if !given.split_whitespace().any(|controller| controller == "memory") {
        return Err(format!("{} does not give its groups the memory controller", parent.display()));
    }
    Ok((parent.join(name), V2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_are_found() {
        let root = tempfile::tempdir().unwrap();
        let v1 = place("5:cpu,memory:/a/b\n0::/\n", root.path(), "n").unwrap();
        assert_eq!(v1, (root.path().join("memory/a/b/n"), V1));
        let v2 = || place("0::/user/me\n", root.path(), "n");
        assert!(v2().unwrap_err().contains("does not give"));
        fs::create_dir(root.path().join("user")).unwrap();
        fs::write(root.path().join("user/cgroup.subtree_control"), "cpu memory pids\n").unwrap();
        assert_eq!(v2().unwrap(), (root.path().join("user/n"), V2));
        assert!(place("", root.path(), "n").is_err());
    }
}
