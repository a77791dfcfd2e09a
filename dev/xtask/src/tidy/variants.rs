//! A variant that nobody makes cannot be met: what handles it is dead. The compiler says so of what a crate keeps to
//! itself; this rule also of what is `pub`.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::Visit;
use syn::{BinOp, Expr, Fields, Item, UseTree};

use super::file::{File, has_word};
use crate::graph::Source;

const PRODUCT: &str = "raincheck";
/// The behavior suite is no product.
const SUITE: &str = "raincheck-store/src/conformance/";
/// Derived code makes every variant of these.
const MAKERS: &[&str] = &["Deserialize", "ValueEnum", "Subcommand", "Parser"];
/// Variants that are made for or by somebody else, and by whom.
const MADE_OUTSIDE: &[(&str, &str, &str)] =
    &[("ResultBody", "File", "by programs that use the client"), ("Time", "Given", "by tests that own time")];

pub fn complaints(files: &[File], sources: &[Source]) -> Vec<String> {
    checked(files, sources, MADE_OUTSIDE)
}

fn checked(files: &[File], sources: &[Source], outside: &[(&str, &str, &str)]) -> Vec<String> {
    let product = |source: &&Source| source.path.starts_with(PRODUCT) && !source.path.starts_with(SUITE);
    let sources: Vec<&Source> = sources.iter().filter(product).collect();
    let mut enums = BTreeMap::new();
    sources.iter().for_each(|source| collect(&source.path, &source.syntax.items, &mut enums));
    let mut made = BTreeSet::new();
    for source in &sources {
        let mut makes = Makes { enums: &enums, brought_in: BTreeMap::new(), current: None, made: &mut made };
        makes.bring_in(&source.syntax.items);
        makes.visit_file(&source.syntax);
    }
    let mut complaints = Vec::new();
    let mut left: BTreeSet<(&str, &str)> = outside.iter().map(|(name, variant, _)| (*name, *variant)).collect();
    for (name, Enum { path, variants }) in &enums {
        for variant in variants {
            let is_made = made.contains(&(name.clone(), variant.clone()));
            let is_known = !is_made && left.remove(&(name.as_str(), variant.as_str()));
            if !is_made && !is_known {
                let line = line(files, path, name, variant);
                complaints
                    .push(format!("{path}:{line}: nothing makes {name}::{variant}; remove it and what handles it"));
            }
        }
    }
    let stale = left.iter().map(|(name, variant)| format!("tidy/variants: {name}::{variant} is made, or not there"));
    complaints.extend(stale);
    complaints
}

/// An enum, by its name. Those that share one share what is made of it: so what is called dead is dead.
struct Enum {
    path: String,
    variants: Vec<String>,
}

type Enums = BTreeMap<String, Enum>;

fn collect(path: &str, items: &[Item], enums: &mut Enums) {
    for item in items {
        match item {
            Item::Mod(inner) => inner.content.iter().for_each(|(_, content)| collect(path, content, enums)),
            Item::Enum(found) if !is_derived(&found.attrs) => {
                let own = found.variants.iter().filter(|variant| !is_made_by_derive(variant));
                let own = own.map(|variant| variant.ident.to_string());
                let known = Enum { path: path.to_owned(), variants: Vec::new() };
                enums.entry(found.ident.to_string()).or_insert(known).variants.extend(own);
            }
            _ => {}
        }
    }
}

fn is_derived(attributes: &[syn::Attribute]) -> bool {
    let is_maker = |word: TokenTree| MAKERS.contains(&word.to_string().as_str());
    let derives = attributes.iter().filter(|attribute| attribute.path().is_ident("derive"));
    derives
        .filter_map(|derive| derive.meta.require_list().ok())
        .any(|list| list.tokens.clone().into_iter().any(is_maker))
}

/// `#[default]`, or `#[from]` at a field.
fn is_made_by_derive(variant: &syn::Variant) -> bool {
    let has = |attributes: &[syn::Attribute], name: &str| attributes.iter().any(|it| it.path().is_ident(name));
    let is_from = match &variant.fields {
        Fields::Unnamed(fields) => fields.unnamed.iter().any(|field| has(&field.attrs, "from")),
        Fields::Named(fields) => fields.named.iter().any(|field| has(&field.attrs, "from")),
        Fields::Unit => false,
    };
    is_from || has(&variant.attrs, "default")
}

fn line(files: &[File], path: &str, name: &str, variant: &str) -> usize {
    let Some(file) = files.iter().find(|file| file.path == path) else { return 1 };
    let mut after = file.code().skip_while(|(_, line)| !line.contains(&format!("enum {name}"))).peekable();
    let first = after.peek().map_or(1, |(number, _)| *number);
    after.find(|(_, line)| has_word(line, variant)).map_or(first, |(number, _)| number)
}

/// Finds where variants are made. A pattern makes none, and what is only compared with one does not either.
struct Makes<'a> {
    enums: &'a Enums,
    /// Names of this file that stand for a variant or an enum of another name.
    brought_in: BTreeMap<String, Vec<(String, String)>>,
    /// What `Self` is.
    current: Option<String>,
    made: &'a mut BTreeSet<(String, String)>,
}

impl Makes<'_> {
    fn bring_in(&mut self, items: &[Item]) {
        for item in items {
            match item {
                Item::Use(used) => self.tree(&used.tree, None),
                Item::Mod(inner) => inner.content.iter().for_each(|(_, content)| self.bring_in(content)),
                _ => {}
            }
        }
    }

    /// `within` is the name before this part of a `use`.
    fn tree(&mut self, tree: &UseTree, within: Option<&str>) {
        match tree {
            UseTree::Path(path) => self.tree(&path.tree, Some(&path.ident.to_string())),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.tree(tree, within)),
            UseTree::Glob(_) => {
                if let Some((name, all)) = within.and_then(|name| self.enums.get_key_value(name)) {
                    let all = all.variants.iter().map(|variant| (variant.clone(), name.clone()));
                    all.for_each(|(variant, of)| self.stands_for(variant.clone(), of, variant));
                }
            }
            UseTree::Name(name) => {
                if let Some(of) = within {
                    let name = name.ident.to_string();
                    self.stands_for(name.clone(), of.to_owned(), name);
                }
            }
            UseTree::Rename(rename) => {
                let of = within.unwrap_or_default().to_owned();
                self.stands_for(rename.rename.to_string(), of, rename.ident.to_string());
            }
        }
    }

    fn stands_for(&mut self, name: String, of: String, variant: String) {
        self.brought_in.entry(name).or_default().push((of, variant));
    }

    fn path(&mut self, names: &[String]) {
        let (of, name) = match names {
            [name] => {
                self.made.extend(self.brought_in.get(name).into_iter().flatten().cloned());
                return;
            }
            [.., of, name] => (of.clone(), name.clone()),
            [] => return,
        };
        let of = if of == "Self" { self.current.clone().unwrap_or(of) } else { of };
        let renamed =
            self.brought_in.get(&of).into_iter().flatten().map(|(_, renamed)| (renamed.clone(), name.clone()));
        self.made.extend(renamed.collect::<Vec<_>>());
        self.made.insert((of, name));
    }

    /// What a macro is given need not be Rust, so it is read word by word.
    fn tokens(&mut self, tokens: TokenStream) {
        let (mut path, mut colons) = (Vec::new(), 0);
        for token in tokens {
            match token {
                TokenTree::Ident(word) => {
                    if colons < 2 {
                        self.path(&std::mem::take(&mut path));
                    }
                    path.push(word.to_string());
                    colons = 0;
                }
                TokenTree::Punct(mark) if mark.as_char() == ':' => colons += 1,
                // `One::$variant`: a macro makes whichever it is told.
                TokenTree::Punct(mark) if mark.as_char() == '$' && colons == 2 => {
                    if let Some((name, all)) = path.last().and_then(|name| self.enums.get_key_value(name)) {
                        self.made.extend(all.variants.iter().map(|variant| (name.clone(), variant.clone())));
                    }
                }
                other => {
                    self.path(&std::mem::take(&mut path));
                    colons = 0;
                    if let TokenTree::Group(group) = other {
                        self.tokens(group.stream());
                    }
                }
            }
        }
        self.path(&path);
    }
}

impl<'ast> Visit<'ast> for Makes<'_> {
    fn visit_attribute(&mut self, _: &'ast syn::Attribute) {}

    fn visit_pat(&mut self, _: &'ast syn::Pat) {}

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let outer = self.current.take();
        if let syn::Type::Path(path) = &*item.self_ty {
            self.current = path.path.segments.last().map(|last| last.ident.to_string());
        }
        syn::visit::visit_item_impl(self, item);
        self.current = outer;
    }

    fn visit_expr_path(&mut self, path: &'ast syn::ExprPath) {
        let names: Vec<String> = path.path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.path(&names);
    }

    fn visit_expr_struct(&mut self, made: &'ast syn::ExprStruct) {
        let names: Vec<String> = made.path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.path(&names);
        syn::visit::visit_expr_struct(self, made);
    }

    fn visit_expr_binary(&mut self, compared: &'ast syn::ExprBinary) {
        let is_comparison = matches!(compared.op, BinOp::Eq(_) | BinOp::Ne(_));
        for side in [&compared.left, &compared.right] {
            if !is_comparison || !is_bare(side) {
                self.visit_expr(side);
            }
        }
    }

    fn visit_macro(&mut self, called: &'ast syn::Macro) {
        // A pattern follows the first comma; what is before it makes nothing either, as a rule.
        if !called.path.is_ident("matches") {
            self.tokens(called.tokens.clone());
        }
    }
}

/// A path, behind a reference or in `Some(…)` perhaps.
fn is_bare(side: &Expr) -> bool {
    match side {
        Expr::Path(_) => true,
        Expr::Reference(to) => is_bare(&to.expr),
        Expr::Paren(within) => is_bare(&within.expr),
        Expr::Call(call) => {
            matches!(&*call.func, Expr::Path(path) if path.path.is_ident("Some")) && call.args.iter().all(is_bare)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::parsed;
    use crate::tidy::file::file;

    /// What is found in a crate that has this enum and this code, which is in another file.
    fn found(declared: &str, code: &str, outside: &[(&str, &str, &str)]) -> Vec<String> {
        let texts = [("raincheck/src/e.rs", declared), ("raincheck/src/a.rs", code)];
        let files = texts.map(|(path, text)| file(path, text));
        let sources = texts.map(|(path, text)| parsed(path, vec![path.to_owned()], text).expect("it is Rust"));
        checked(&files, &sources, outside)
    }

    const PLAIN: &str = "/// One.\npub enum One {\n    A,\n    /// Two.\n    B(u8),\n    C { c: u8 },\n}\n";

    #[test]
    fn what_is_only_matched_or_compared_is_named() {
        let code = "fn f(one: One) -> bool {
            if let One::A = one {}
            match one { One::A => {}, One::B(n) if n > 1 => {}, One::C { .. } | One::B(_) => {} }
            matches!(one, One::A) || one == One::A || Some(&one) != Some(&One::A)
        }
        #[cfg(test)] mod tests { fn f() { super::One::A; } }";
        let said = |line: usize, variant: &str| {
            format!("raincheck/src/e.rs:{line}: nothing makes One::{variant}; remove it and what handles it")
        };
        assert_eq!(found(PLAIN, code, &[]), [said(3, "A"), said(5, "B"), said(6, "C")]);
    }

    #[test]
    fn what_is_made_is_not() {
        for code in [
            "fn f() { let one = One::A; g(One::B(1), One::C { c: 1 }) }",
            "use e::One::{A, B as Bee, C}; fn f() -> One { if x { A } else { [Bee(1), C { c: 1 }].pop() } }",
            "use e::One::*; fn f() { vec![A, B(1)]; C { c: 1 }; }",
            "macro_rules! one { ($name:ident) => { f(One::$name) } }",
            "use e::One as Other; fn f() { x.map(Other::B); Other::A; e::Other::C { c: 1 }; }",
            "impl One { fn f(n: u8) -> Self { match n { 1 => Self::A, 2 => Self::B(n), _ => Self::C { c: n } } } }",
        ] {
            assert_eq!(found(PLAIN, code, &[]), Vec::<String>::new(), "{code}");
        }
        for declared in [
            "#[derive(Debug, serde::Deserialize)] pub enum One { A, B }",
            "#[derive(Default)] pub enum One { #[default] A }",
            "#[derive(Error)] pub enum One { A(#[from] Other) }",
        ] {
            assert_eq!(found(declared, "", &[]), Vec::<String>::new(), "{declared}");
        }
    }

    #[test]
    fn an_exception_must_be_one() {
        let code = "fn f() { One::A; One::B(1); }";
        assert_eq!(found(PLAIN, code, &[("One", "C", "by a program that uses us")]), Vec::<String>::new());
        assert_eq!(found(PLAIN, code, &[("One", "C", ""), ("One", "A", "")]).len(), 1);
    }
}
