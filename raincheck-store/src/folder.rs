use std::fs::{self, File};
use std::io;
use std::path::Path;

/// Makes a folder and those above it that are missing. Their names are on disk when it returns: what is synced in a
/// folder whose own name is not is lost with it in a power cut.
pub fn make(folder: &Path) -> io::Result<()> {
    let above = folder.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let there = folder.is_dir();
    if !there {
        if !above.is_dir() {
            make(above)?;
        }
        fs::create_dir(folder)?;
    }
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

    #[test]
    fn missing_folders_are_made_and_others_left() {
        let root = tempfile::tempdir().unwrap();
        let deep = root.path().join("a/b/c");
        make(&deep).unwrap();
        make(&deep).unwrap();
        assert!(deep.is_dir());
        fs::write(root.path().join("file"), "").unwrap();
        assert!(make(&root.path().join("file")).is_err());
    }
}
