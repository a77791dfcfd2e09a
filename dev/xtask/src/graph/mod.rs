//! The structure of the code: which file takes names from which, the circles among them, and pictures.

mod arrows;
mod picture;
mod read;
mod source;

use std::collections::{BTreeMap, BTreeSet};

pub use arrows::{Arrows, circles};
pub use picture::picture;
#[cfg(test)]
pub use source::parsed;
pub use source::{Source, sources};

/// All arrows between files.
pub fn of(sources: &[Source]) -> Arrows {
    let mut modules = read::Modules::new();
    sources.iter().for_each(|source| read::read(source, &mut modules));
    arrows::arrows(&modules)
}

/// Prints folders and their arrows in the language of Graphviz, the crates as boxes. A folder counts as one with all that is
/// in it, `depth` floors below its crate; 1 shows the files and folders right below `src/`.
pub fn dot(arrows: &Arrows, depth: usize) -> String {
    let room = |file: &str| -> String {
        let (of_crate, inside) = file.split_once("/src/").unwrap_or((file, ""));
        let inside: Vec<&str> = inside.split('/').take(depth).map(|part| part.trim_end_matches(".rs")).collect();
        format!("{of_crate}/{}", inside.join("/")).trim_end_matches('/').to_owned()
    };
    let mut lines = BTreeSet::new();
    let mut crates: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (from, to) in arrows.keys() {
        let (from_room, to_room) = (room(from), room(to));
        for (file, room) in [(from, &from_room), (to, &to_room)] {
            let of_crate = file.split_once("/src/").map_or(file.as_str(), |(of_crate, _)| of_crate);
            crates.entry(of_crate.to_owned()).or_default().insert(room.clone());
        }
        if from_room != to_room {
            lines.insert(format!("  \"{from_room}\" -> \"{to_room}\";\n"));
        }
    }
    let mut out = String::from("digraph raincheck {\n  rankdir=TB; node [shape=box];\n");
    for (name, rooms) in crates {
        out += &format!("  subgraph \"cluster_{name}\" {{ label=\"{name}\";");
        for room in rooms {
            let label = room.strip_prefix(&name).unwrap_or(&room).trim_start_matches('/');
            out += &format!(" \"{room}\" [label=\"{}\"];", if label.is_empty() { &name } else { label });
        }
        out += " }\n";
    }
    out.extend(lines);
    out + "}\n"
}
#[cfg(test)]
mod tests {
    use super::*;

    /// The arrows of a crate of these files.
    fn drawn(files: &[(&str, &str)]) -> Arrows {
        let name = format!("graph-{:?}", std::thread::current().id()).replace(['(', ')'], "");
        let root = crate::run::root().join("target/tmp").join(name);
        for (file, text) in files {
            let path = root.join(file);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("is made");
            std::fs::write(path, text).expect("is written");
        }
        let arrows = of(&sources(&root).expect("is read"));
        std::fs::remove_dir_all(&root).expect("is removed");
        arrows
    }

    const MEMBERS: (&str, &str) = ("Cargo.toml", "members = [\n    \"one\",\n]\n");
    const ONE: (&str, &str) = ("one/Cargo.toml", "[package]\nname = \"one\"\n");

    fn arrow(from: &str, to: &str, name: &str) -> ((String, String), BTreeSet<String>) {
        ((format!("one/src/{from}"), format!("one/src/{to}")), BTreeSet::from([name.to_owned()]))
    }

    #[test]
    fn an_arrow_leads_to_where_a_name_is_defined_not_to_where_it_is_passed_on() {
        let arrows = drawn(&[
            MEMBERS,
            ONE,
            ("one/src/lib.rs", "mod a;\npub mod b;\npub use b::*;\n"),
            (
                "one/src/a.rs",
                "use crate::Thing;\nfn f() -> Thing { Thing }\n#[cfg(test)]\nmod tests { use crate::b::g; }\n",
            ),
            ("one/src/b/mod.rs", "mod c;\npub use c::Thing;\npub fn g() {}\n"),
            ("one/src/b/c.rs", "pub struct Thing;\nfn h() { super::g(); println!(\"{}\", crate::a::f()); }\n"),
        ]);
        let expected =
            [arrow("a.rs", "b/c.rs", "Thing"), arrow("b/c.rs", "a.rs", "f"), arrow("b/c.rs", "b/mod.rs", "g")];
        assert_eq!(arrows.clone().into_iter().collect::<Vec<_>>(), expected);
        let circle = BTreeSet::from(["one/src/a.rs".to_owned(), "one/src/b/c.rs".to_owned()]);
        assert_eq!(circles(&arrows), [circle]);
        let picture = dot(&arrows, 1);
        assert!(picture.contains("\"one/a\" -> \"one/b\""), "{picture}");
    }
}
