//! The picture of the shipped crates, as Mermaid: small enough to be looked at, and steady enough to stand in a document.

use std::collections::{BTreeMap, BTreeSet};

use super::Arrows;

/// The crates with their top folders, and how many arrows between files lead from one crate to another. Numbers are rounded
/// down, so that the picture changes with the structure and not with every line.
pub fn picture(arrows: &Arrows) -> String {
    let mut folders: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for (from, to) in arrows.keys() {
        let (Some((from, from_folder)), Some((to, to_folder))) = (place(from), place(to)) else { continue };
        for (name, folder) in [(from, from_folder), (to, to_folder)] {
            folders.entry(name).or_default().extend(folder);
        }
        if from != to {
            *counts.entry((from, to)).or_default() += 1;
        }
    }
    let mut out = String::from("flowchart TD\n");
    for (name, folders) in folders {
        if folders.is_empty() {
            out += &format!("  {name}\n");
            continue;
        }
        // Side by side, or the picture is a tower.
        out += &format!("  subgraph {name}\n    direction TB\n");
        for folder in folders {
            out += &format!("    {name}.{folder}[{folder}]\n");
        }
        out += "  end\n";
    }
    for ((from, to), count) in counts {
        out += &format!("  {from} -- {}+ --> {to}\n", rounded(count));
    }
    out
}

/// The crate of a file and the folder right below its `src/`, if it is in one; nothing for crates that are not shipped.
fn place(file: &str) -> Option<(&str, Option<&str>)> {
    let (name, inside) = file.split_once("/src/")?;
    (!name.contains('/')).then(|| (name, inside.split_once('/').map(|(folder, _)| folder)))
}

/// The largest of 1, 2, 5, 10, 20, 50 and so on that is not above `count`.
fn rounded(count: usize) -> usize {
    let steps = (0..).flat_map(|power| [1, 2, 5].map(|digit| digit * 10_usize.pow(power)));
    steps.take_while(|step| *step <= count).last().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_stand_in_their_crates_and_arrows_between_crates_are_counted() {
        let arrow = |from: &str, to: &str| ((from.to_owned(), to.to_owned()), BTreeSet::new());
        let arrows = Arrows::from([
            arrow("top/src/a.rs", "low/src/lib.rs"),
            arrow("top/src/a.rs", "low/src/deep/x.rs"),
            arrow("top/src/b.rs", "low/src/deep/x.rs"),
            arrow("top/src/a.rs", "top/src/b.rs"),
            arrow("dev/tool/src/a.rs", "low/src/lib.rs"),
        ]);
        let expected =
            "flowchart TD\n  subgraph low\n    direction TB\n    low.deep[deep]\n  end\n  top\n  top -- 2+ --> low\n";
        assert_eq!(picture(&arrows), expected);
    }

    #[test]
    fn numbers_are_rounded_down_to_a_few_steps() {
        let steps = [(1, 1), (2, 2), (4, 2), (9, 5), (10, 10), (57, 50), (576, 500)];
        assert!(steps.iter().all(|(count, step)| rounded(*count) == *step));
    }
}
