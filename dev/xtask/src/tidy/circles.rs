//! Files that need each other cannot be read one by one.

use std::path::Path;

use anyhow::Result;

use crate::graph;

/// Circles of files, each with the names that close it.
pub fn complaints(root: &Path) -> Result<Vec<String>> {
    let arrows = graph::of(root)?;
    let circles = graph::circles(&arrows).into_iter().map(|circle| {
        let within = arrows.iter().filter(|((from, to), _)| circle.contains(from) && circle.contains(to));
        let lines: Vec<String> = within.map(|((from, to), names)| format!("  {from} -> {to}: {names:?}")).collect();
        format!("a circle of {} files: turn an arrow round or move what both need\n{}", circle.len(), lines.join("\n"))
    });
    Ok(circles.collect())
}
