//! Reads the modules of a crate: what each defines, brings in, and names.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::Visit;
use syn::{Attribute, Item, UseTree, Visibility};

use super::source::Source;

/// A module as its source says.
#[derive(Default)]
pub struct Module {
    /// Its file, from the repository's root.
    pub file: String,
    /// Names of the items that it defines.
    pub defines: BTreeSet<String>,
    /// Names that it brings in, and the path of each.
    pub brings_in: BTreeMap<String, Vec<String>>,
    /// Modules of which it brings everything in.
    pub globs: Vec<Vec<String>>,
    /// Paths that its code names.
    pub names: BTreeSet<Vec<String>>,
}

/// The modules of a crate, by their path from its root; the crate's name comes first.
pub type Modules = BTreeMap<Vec<String>, Module>;

/// Adds the modules of a file.
pub fn read(source: &Source, modules: &mut Modules) {
    items(&source.path, source.module.clone(), &source.syntax.items, modules);
}

fn items(file: &str, path: Vec<String>, items: &[Item], modules: &mut Modules) {
    let mut found = Module { file: file.to_owned(), ..Module::default() };
    let mut below = Vec::new();
    for item in items {
        match item {
            Item::Mod(inner) => below.extend(inner.content.as_ref().map(|(_, content)| (&inner.ident, content))),
            Item::Use(used) => {
                let mut names = Vec::new();
                bring_in(&used.tree, &mut Vec::new(), &mut found, &mut names);
                // What is only passed on is no use of it.
                if matches!(used.vis, Visibility::Inherited) {
                    found.names.extend(names);
                }
            }
            _ => {
                if let Some(name) = defined(item) {
                    found.defines.insert(name);
                }
                Names(&mut found.names).visit_item(item);
            }
        }
    }
    modules.insert(path.clone(), found);
    for (name, content) in below {
        let mut path = path.clone();
        path.push(name.to_string());
        self::items(file, path, content, modules);
    }
}

fn bring_in(tree: &UseTree, path: &mut Vec<String>, module: &mut Module, names: &mut Vec<Vec<String>>) {
    match tree {
        UseTree::Path(part) => {
            path.push(part.ident.to_string());
            bring_in(&part.tree, path, module, names);
            path.pop();
        }
        UseTree::Group(group) => group.items.iter().for_each(|tree| bring_in(tree, path, module, names)),
        UseTree::Glob(_) => module.globs.push(path.clone()),
        UseTree::Name(_) | UseTree::Rename(_) => {
            let (ident, alias) = match tree {
                UseTree::Rename(rename) => (&rename.ident, &rename.rename),
                UseTree::Name(name) => (&name.ident, &name.ident),
                _ => return,
            };
            let mut full = path.clone();
            let is_self = ident == "self";
            if !is_self {
                full.push(ident.to_string());
            }
            let alias = if is_self && alias == "self" { full.last().cloned() } else { Some(alias.to_string()) };
            names.push(full.clone());
            module.brings_in.extend(alias.map(|alias| (alias, full)));
        }
    }
}

fn defined(item: &Item) -> Option<String> {
    let ident = match item {
        Item::Const(it) => &it.ident,
        Item::Enum(it) => &it.ident,
        Item::Fn(it) => &it.sig.ident,
        Item::Static(it) => &it.ident,
        Item::Struct(it) => &it.ident,
        Item::Trait(it) => &it.ident,
        Item::Type(it) => &it.ident,
        Item::Union(it) => &it.ident,
        Item::Macro(it) => it.ident.as_ref()?,
        _ => return None,
    };
    Some(ident.to_string())
}

/// Collects the paths that code names.
struct Names<'n>(&'n mut BTreeSet<Vec<String>>);

impl<'ast> Visit<'ast> for Names<'_> {
    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.0.insert(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        syn::visit::visit_path(self, path);
    }

    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    fn visit_attribute(&mut self, _: &'ast Attribute) {}

    // What a macro is given need not be Rust, so it is read word by word.
    fn visit_macro(&mut self, called: &'ast syn::Macro) {
        self.visit_path(&called.path);
        words(called.tokens.clone(), self.0);
    }
}

fn words(tokens: TokenStream, names: &mut BTreeSet<Vec<String>>) {
    let (mut path, mut colons) = (Vec::new(), 0);
    for token in tokens {
        match token {
            TokenTree::Ident(word) => {
                if colons < 2 && !path.is_empty() {
                    names.insert(std::mem::take(&mut path));
                }
                path.push(word.to_string());
                colons = 0;
            }
            TokenTree::Punct(mark) if mark.as_char() == ':' => colons += 1,
            other => {
                if !path.is_empty() {
                    names.insert(std::mem::take(&mut path));
                }
                colons = 0;
                if let TokenTree::Group(group) = other {
                    words(group.stream(), names);
                }
            }
        }
    }
    if !path.is_empty() {
        names.insert(path);
    }
}
