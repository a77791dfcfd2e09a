//! The code of the crates, file by file, as it is compiled outside of tests.

use std::path::Path;

use anyhow::{Context, Result};
use syn::{Attribute, ImplItem, Item};

/// A file of a crate.
pub struct Source {
    /// From the repository's root.
    pub path: String,
    /// The path of its module; the crate's name comes first.
    pub module: Vec<String>,
    /// What is in it, without what is there in tests alone.
    pub syntax: syn::File,
}

/// Those of every member of the workspace at `root`.
pub fn sources(root: &Path) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    let manifest = std::fs::read_to_string(root.join("Cargo.toml"))?;
    let (_, members) = manifest.split_once("members = [").context("Cargo.toml has no members")?;
    let (members, _) = members.split_once(']').context("the members of Cargo.toml do not end")?;
    for member in members.split(',').map(|member| member.trim().trim_matches('"')).filter(|name| !name.is_empty()) {
        let manifest = std::fs::read_to_string(root.join(member).join("Cargo.toml"))?;
        let (_, name) = manifest.split_once("name = \"").with_context(|| format!("{member} has no name"))?;
        let name = name.split('"').next().unwrap_or(name).replace('-', "_");
        // A program beside a library of the same crate is a root of its own.
        for (start, name) in [("lib", name.clone()), ("main", format!("{name} program"))] {
            let start = format!("{member}/src/{start}.rs");
            if root.join(&start).exists() {
                read(root, start, vec![name], &mut sources)?;
            }
        }
    }
    Ok(sources)
}

/// A source of this text.
pub fn parsed(path: &str, module: Vec<String>, text: &str) -> Result<Source> {
    let mut syntax = syn::parse_file(text).with_context(|| format!("cannot parse {path}"))?;
    drop_tests(&mut syntax.items);
    Ok(Source { path: path.to_owned(), module, syntax })
}

fn read(root: &Path, path: String, module: Vec<String>, sources: &mut Vec<Source>) -> Result<()> {
    let text = std::fs::read_to_string(root.join(&path)).with_context(|| format!("cannot read {path}"))?;
    let source = parsed(&path, module, &text)?;
    let mut below = Vec::new();
    declared(root, &path, &source.module, &source.syntax.items, &mut below);
    sources.push(source);
    below.into_iter().try_for_each(|(path, module)| read(root, path, module, sources))
}

/// Files of the modules that `file` declares, and the paths of these.
fn declared(root: &Path, file: &str, module: &[String], items: &[Item], below: &mut Vec<(String, Vec<String>)>) {
    for item in items {
        let Item::Mod(inner) = item else { continue };
        let module = [module, &[inner.ident.to_string()]].concat();
        match &inner.content {
            Some((_, content)) => declared(root, file, &module, content, below),
            None => below.push((beside(root, file, inner), module)),
        }
    }
}

/// The file of a module that `file` declares.
fn beside(root: &Path, file: &str, inner: &syn::ItemMod) -> String {
    let (folder, own) = file.rsplit_once('/').unwrap_or((".", file));
    let stem = own.trim_end_matches(".rs");
    let folder = if matches!(stem, "mod" | "lib" | "main") { folder.to_owned() } else { format!("{folder}/{stem}") };
    let alone = format!("{folder}/{}.rs", inner.ident);
    if root.join(&alone).exists() { alone } else { format!("{folder}/{}/mod.rs", inner.ident) }
}

fn drop_tests(items: &mut Vec<Item>) {
    items.retain(|item| !is_test(attributes(item)));
    for item in items {
        match item {
            Item::Mod(inner) => inner.content.iter_mut().for_each(|(_, content)| drop_tests(content)),
            Item::Impl(inner) => inner.items.retain(|item| !matches!(item, ImplItem::Fn(it) if is_test(&it.attrs))),
            _ => {}
        }
    }
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(it) => &it.attrs,
        Item::Enum(it) => &it.attrs,
        Item::Fn(it) => &it.attrs,
        Item::Impl(it) => &it.attrs,
        Item::Mod(it) => &it.attrs,
        Item::Struct(it) => &it.attrs,
        Item::Use(it) => &it.attrs,
        _ => &[],
    }
}

/// Whether an item is there in tests alone.
fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("test")
            || attribute.path().is_ident("cfg")
                && attribute.parse_args::<syn::Path>().is_ok_and(|condition| condition.is_ident("test"))
    })
}
