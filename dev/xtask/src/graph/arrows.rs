//! Follows names to where they are defined: which file takes what from which.

use std::collections::{BTreeMap, BTreeSet};

use super::read::Modules;

/// From a file to another, and the names that it takes from there.
pub type Arrows = BTreeMap<(String, String), BTreeSet<String>>;

type Seen = BTreeSet<(Vec<String>, Vec<String>)>;

/// All arrows between files of these crates.
pub fn arrows(modules: &Modules) -> Arrows {
    let mut arrows = Arrows::new();
    for (path, module) in modules {
        for name in &module.names {
            if let Some((file, item)) = defined_in(modules, path, name, &mut Seen::new())
                && file != module.file
            {
                arrows.entry((module.file.clone(), file)).or_default().insert(item);
            }
        }
    }
    arrows
}

/// The file that defines what `name` means in the module `from`, and what it is called there. `seen` is what was asked
/// already on the way: names that are passed on in a circle lead nowhere.
fn defined_in(modules: &Modules, from: &[String], name: &[String], seen: &mut Seen) -> Option<(String, String)> {
    let (first, rest) = name.split_first()?;
    let is_crate = modules.contains_key(std::slice::from_ref(first));
    match first.as_str() {
        "crate" => within(modules, &from[..1], rest, seen),
        "self" => within(modules, from, rest, seen),
        "super" => within(modules, &from[..from.len() - 1], rest, seen),
        _ => within(modules, from, name, seen)
            .or_else(|| is_crate.then(|| within(modules, std::slice::from_ref(first), rest, seen))?),
    }
}

/// The same, of a path that begins in the module `at`.
fn within(modules: &Modules, at: &[String], path: &[String], seen: &mut Seen) -> Option<(String, String)> {
    let module = modules.get(at)?;
    let (name, rest) = path.split_first()?;
    if !seen.insert((at.to_vec(), path.to_vec())) {
        return None;
    }
    if name == "super" {
        return within(modules, &at[..at.len() - 1], rest, seen);
    }
    let child: Vec<String> = at.iter().chain([name]).cloned().collect();
    if let Some(found) = within(modules, &child, rest, seen) {
        return Some(found);
    }
    if module.defines.contains(name) {
        return Some((module.file.clone(), name.clone()));
    }
    // `use bytes::bytes` speaks of a crate, and no path of ours has so many parts.
    let is_outside = |full: &&Vec<String>| full.first() == Some(name) && !modules.contains_key(&full[..1]);
    if let Some(full) = module.brings_in.get(name).filter(|full| !is_outside(full) && path.len() < 10) {
        let full: Vec<String> = full.iter().chain(rest).cloned().collect();
        return defined_in(modules, at, &full, seen);
    }
    // A glob brings in what is public, and from `super` all: who defines it is the same.
    module.globs.iter().find_map(|glob| within(modules, &module_of(modules, at, glob)?, path, seen))
}

/// The module that a path of modules alone leads to.
fn module_of(modules: &Modules, from: &[String], path: &[String]) -> Option<Vec<String>> {
    let mut at = from.to_vec();
    for (index, part) in path.iter().enumerate() {
        match part.as_str() {
            "crate" => at.truncate(1),
            "self" => {}
            "super" => drop(at.pop()),
            _ => {
                at.push(part.clone());
                if index == 0 && !modules.contains_key(&at) {
                    at = vec![part.clone()];
                }
            }
        }
    }
    modules.contains_key(&at).then_some(at)
}

/// Groups of files, each of which leads to each other of its group.
pub fn circles(arrows: &Arrows) -> Vec<BTreeSet<String>> {
    let mut to: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (from, other) in arrows.keys() {
        to.entry(from).or_default().push(other);
    }
    // What nothing leads to, or what leads nowhere, is in no circle; without it the next ones may be.
    loop {
        let led_to: BTreeSet<&str> = to.values().flatten().copied().collect();
        let before = to.len();
        to.retain(|file, others| led_to.contains(file) && !others.is_empty());
        let left: BTreeSet<&str> = to.keys().copied().collect();
        to.values_mut().for_each(|others| others.retain(|other| left.contains(other)));
        if to.len() == before {
            break;
        }
    }
    let all: BTreeMap<&str, BTreeSet<&str>> = to.keys().map(|file| (*file, reached(&to, file))).collect();
    let mut circles = BTreeSet::new();
    for (file, below) in all.iter().filter(|(file, below)| below.contains(*file)) {
        let back = below.iter().filter(|other| all.get(*other).is_some_and(|below| below.contains(file)));
        circles.insert(back.map(|other| (*other).to_owned()).collect());
    }
    circles.into_iter().collect()
}

fn reached<'f>(to: &BTreeMap<&'f str, Vec<&'f str>>, start: &'f str) -> BTreeSet<&'f str> {
    let (mut found, mut open) = (BTreeSet::new(), vec![start]);
    while let Some(file) = open.pop() {
        open.extend(to.get(file).into_iter().flatten().copied().filter(|next| found.insert(*next)));
    }
    found
}
