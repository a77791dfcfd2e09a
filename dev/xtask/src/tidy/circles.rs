//! Files that need each other cannot be read one by one.

use super::file::File;
use crate::graph::{self, Arrows};

/// Circles of files, each with the names that close it.
pub fn complaints(_: &[File], arrows: &Arrows) -> Vec<String> {
    let circles = graph::circles(arrows).into_iter().map(|circle| {
        let within = arrows.iter().filter(|((from, to), _)| circle.contains(from) && circle.contains(to));
        let lines: Vec<String> = within.map(|((from, to), names)| format!("  {from} -> {to}: {names:?}")).collect();
        format!("a circle of {} files: turn an arrow round or move what both need\n{}", circle.len(), lines.join("\n"))
    });
    circles.collect()
}
