//! `raincheck demo`.

use super::{command, said};

#[test]
fn every_job_of_the_demo_succeeds() {
    let folder = tempfile::tempdir().unwrap();
    let said = said(command(folder.path(), &["demo", "--once"]), None).with(0);
    for kind in ["text.wc", "file.gzip", "tree.sha256"] {
        assert!(said.out.lines().any(|line| line.starts_with('✔') && line.contains(kind)), "{kind}: {said:#?}");
    }
    assert!(!said.out.contains('\u{1b}') && !said.err.contains('\u{1b}'), "colors in a pipe: {said:#?}");
    assert!(folder.path().join("raincheck-demo/raincheck.db").is_file());
    let results = std::fs::read_dir(folder.path().join("raincheck-demo/results")).unwrap();
    let gz = results
        .filter_map(Result::ok)
        .find(|file| file.path().extension().is_some_and(|extension| extension == "gz"))
        .unwrap();
    let checked = std::process::Command::new("gzip").arg("-t").arg(gz.path()).status().unwrap();
    assert!(checked.success(), "what gzip made is no gzip file");
}
