//! Files that need each other cannot be read one by one.

use std::path::Path;

use anyhow::Result;

use crate::graph;

/// So many files stand in circles still. It may only fall.
const LEFT: usize = 4;

/// Circles of files, where there are more than there were.
pub fn complaints(root: &Path) -> Result<Vec<String>> {
    let arrows = graph::of(root)?;
    let circles = graph::circles(&arrows);
    let files: usize = circles.iter().map(std::collections::BTreeSet::len).sum();
    if files < LEFT {
        return Ok(vec![format!("only {files} files stand in circles now; say so in dev/xtask/src/tidy/circles.rs")]);
    }
    if files == LEFT {
        return Ok(Vec::new());
    }
    let mut complaints =
        vec![format!("{files} files stand in circles, {LEFT} did; turn an arrow round or move what both need")];
    for circle in circles {
        let within = arrows.iter().filter(|((from, to), _)| circle.contains(from) && circle.contains(to));
        let lines: Vec<String> = within.map(|((from, to), names)| format!("  {from} -> {to}: {names:?}")).collect();
        complaints.push(format!("a circle of {} files\n{}", circle.len(), lines.join("\n")));
    }
    Ok(complaints)
}
