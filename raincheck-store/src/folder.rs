//! Folders that are made to last, and what only its owner may read.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;

/// Makes a folder that only its owner may enter, and those above it that are missing. Their names are on disk when it
/// returns: what is synced in a folder whose own name is not is lost with it in a power cut. A folder that is there is left
/// as it is.
pub fn make(folder: &Path) -> io::Result<()> {
    let above = above(folder);
    let there = folder.is_dir();
    if !there {
        if !above.is_dir() {
            make_above(above)?;
        }
        // Two nodes that begin at once may share it.
        make_within(folder)?;
    }
    sync_above(above, there)
}

/// The same for one in a folder that is there and is synced by the caller; one that came meanwhile is fine.
pub fn make_within(folder: &Path) -> io::Result<()> {
    match make_private(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
        made => made,
    }
}

/// Takes from others what they may do with a file or folder; answers whether there was anything to take.
pub fn make_own(path: &Path) -> io::Result<bool> {
    let mode = fs::metadata(path)?.permissions().mode();
    if mode & 0o077 == 0 {
        return Ok(false);
    }
    fs::set_permissions(path, Permissions::from_mode(mode & 0o700))?;
    Ok(true)
}

/// The folder that something is in.
pub fn above(path: &Path) -> &Path {
    path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn make_private(folder: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(folder)?;
    // A mask may have taken something from its owner as well.
    fs::set_permissions(folder, Permissions::from_mode(0o700))
}

/// Folders on the way are no secret: others may have theirs beside.
fn make_above(folder: &Path) -> io::Result<()> {
    let above = above(folder);
    if !above.is_dir() {
        make_above(above)?;
    }
    match fs::create_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    sync_above(above, false)
}

fn sync_above(above: &Path, there: bool) -> io::Result<()> {
    match File::open(above) {
        Ok(above) => above.sync_all(),
        // It was made by somebody else, in a folder that is not ours to read.
        Err(error) if there && error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn many_may_make_one_folder_at_once() {
        let root = tempfile::tempdir().unwrap();
        for round in 0..200 {
            let folder = root.path().join(format!("{round}/data"));
            let start = std::sync::Barrier::new(4);
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        start.wait();
                        make(&folder).unwrap();
                    });
                }
            });
        }
    }

    #[test]
    fn missing_folders_are_made_and_others_left() {
        let root = tempfile::tempdir().unwrap();
        let deep = root.path().join("a/b/c");
        make(&deep).unwrap();
        assert_eq!(mode(&deep), 0o700);
        fs::set_permissions(&deep, Permissions::from_mode(0o750)).unwrap();
        make(&deep).unwrap();
        assert_eq!(mode(&deep), 0o750);
        assert!(make_own(&deep).unwrap() && !make_own(&deep).unwrap());
        assert_eq!(mode(&deep), 0o700);
        fs::write(root.path().join("file"), "").unwrap();
        assert!(make(&root.path().join("file")).is_err());
        assert!(make_within(&root.path().join("file")).is_err());
    }
}
