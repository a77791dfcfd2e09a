//! The texts in code from which SQL is made.

use std::collections::BTreeSet;

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::Visit;

use crate::graph::Source;

/// What a file holds of SQL.
#[derive(Default)]
pub struct Texts {
    /// Literals of several words.
    pub literals: Vec<String>,
    /// Literals of one word.
    pub words: BTreeSet<String>,
    /// Tables and columns of `insert!` and `insert_arrays`.
    pub inserts: Vec<(String, Vec<String>)>,
    /// Tables of columns.
    pub rows: Vec<RowOf>,
    /// Which constants of such it names: `Head::SELECT`.
    pub constants: BTreeSet<(String, String)>,
}

/// A struct of the macro `row!`.
#[derive(Debug, PartialEq)]
pub struct RowOf {
    pub name: String,
    /// What its table goes by.
    pub alias: String,
    pub columns: Vec<String>,
}

/// Those of a file.
pub fn texts(source: &Source) -> Texts {
    let mut texts = Texts::default();
    texts.visit_file(&source.syntax);
    texts
}

impl<'ast> Visit<'ast> for Texts {
    fn visit_attribute(&mut self, _: &'ast syn::Attribute) {}

    fn visit_lit_str(&mut self, literal: &'ast syn::LitStr) {
        self.literal(literal.value());
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if let [.., of, name] = names.as_slice() {
            self.constants.insert((of.clone(), name.clone()));
        }
        syn::visit::visit_path(self, path);
    }

    fn visit_expr_call(&mut self, call: &'ast syn::ExprCall) {
        if matches!(&*call.func, syn::Expr::Path(path) if path.path.is_ident("insert_arrays")) {
            let mut within = Texts::default();
            call.args.iter().for_each(|argument| within.visit_expr(argument));
            self.insert(within.words.into_iter().collect(), first_literal(call.args.first()));
        }
        syn::visit::visit_expr_call(self, call);
    }

    fn visit_macro(&mut self, called: &'ast syn::Macro) {
        if called.path.is_ident("row") {
            self.rows.extend(row(called.tokens.clone()));
        }
        if called.path.is_ident("insert") {
            let mut within = Texts::default();
            within.tokens(called.tokens.clone());
            let table = called.tokens.clone().into_iter().next().and_then(text_of);
            self.insert(within.words.into_iter().collect(), table);
        }
        self.tokens(called.tokens.clone());
    }
}

impl Texts {
    fn literal(&mut self, text: String) {
        if text.chars().all(|c| c.is_alphanumeric() || c == '_') {
            self.words.insert(text);
        } else {
            self.literals.push(text);
        }
    }

    fn insert(&mut self, words: Vec<String>, table: Option<String>) {
        self.inserts.extend(table.map(|table| (table, words)));
    }

    /// What a macro is given need not be Rust, so it is read word by word.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut names: Vec<String> = Vec::new();
        for token in tokens {
            match token {
                TokenTree::Ident(name) => {
                    names.push(name.to_string());
                    if let [.., of, first, second, name] = names.as_slice()
                        && (first.as_str(), second.as_str()) == (":", ":")
                    {
                        self.constants.insert((of.clone(), name.clone()));
                    }
                }
                TokenTree::Punct(mark) => names.push(mark.as_char().to_string()),
                // What is said of it.
                TokenTree::Group(_) if names.last().is_some_and(|mark| mark == "#") => {}
                TokenTree::Group(group) => self.tokens(group.stream()),
                literal @ TokenTree::Literal(_) => text_of(literal).into_iter().for_each(|text| self.literal(text)),
            }
        }
    }
}

fn text_of(token: TokenTree) -> Option<String> {
    let TokenTree::Literal(literal) = token else { return None };
    match syn::Lit::new(literal) {
        syn::Lit::Str(text) => Some(text.value()),
        _ => None,
    }
}

fn first_literal(argument: Option<&syn::Expr>) -> Option<String> {
    match argument? {
        syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) => Some(text.value()),
        _ => None,
    }
}

/// Reads `struct Name as "alias" { column: Type, … }`. A column that has SQL of its own is left to that.
fn row(tokens: TokenStream) -> Option<RowOf> {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let after = |word: &str| tokens.iter().position(|token| token.to_string() == word).map(|at| at + 1);
    let name = tokens.get(after("struct")?)?.to_string();
    let alias = text_of(tokens.get(after("as")?)?.clone())?;
    let TokenTree::Group(fields) = tokens.last()? else { return None };
    let mut columns = Vec::new();
    let fields: Vec<TokenTree> = fields.stream().into_iter().collect();
    let is = |token: Option<&TokenTree>, mark: &str| token.is_some_and(|token| token.to_string() == mark);
    // Commas stand between columns and, in angle brackets, within types.
    let (mut depth, mut start) = (0, 0);
    for at in 0..=fields.len() {
        depth += i32::from(is(fields.get(at), "<")) - i32::from(is(fields.get(at), ">"));
        if at == fields.len() || depth == 0 && is(fields.get(at), ",") {
            let field = &fields[start..at];
            let colon = field.iter().position(|token| is(Some(token), ":"));
            if let Some(name) = colon.and_then(|colon| field.get(colon.wrapping_sub(1)))
                && !field.iter().any(|token| is(Some(token), "="))
            {
                columns.push(name.to_string());
            }
            start = at + 1;
        }
    }
    Some(RowOf { name, alias, columns })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::parsed;

    #[test]
    fn literals_rows_and_inserts_are_found_in_code_and_in_macros() {
        let source = "
            /// SELECT docs FROM nothing
            const A: &str = \"SELECT a \\\n    FROM b\";
            row! { /// Doc = doc.
                struct Head<'a> as \"j\" { /// Its number.
                no: Map<A, B>, x: i64 = \"j.y + 1\", last: Option<&'a [u8]> } }
            const B: &str = insert!(\"spec\", [\"no\", Asked::NAMES], [\"?\"]);
            fn f() { insert_arrays(\"job\", &[\"id\", Head::NAMES], &[]); format!(\"DELETE FROM {table}\"); }
            #[cfg(test)] mod tests { const A: &str = \"SELECT test FROM test\"; }";
        let source = parsed("a.rs", vec!["a".to_owned()], source).expect("it is Rust");
        let texts = texts(&source);
        assert_eq!(texts.literals, ["SELECT a FROM b", "j.y + 1", "?", "DELETE FROM {table}"]);
        let (alias, columns) = ("j".to_owned(), vec!["no".to_owned(), "last".to_owned()]);
        assert_eq!(texts.rows, [RowOf { name: "Head".to_owned(), alias, columns }]);
        let inserts: Vec<_> = texts.inserts.iter().map(|(table, words)| (table.as_str(), words.join(" "))).collect();
        assert_eq!(inserts, [("spec", "no spec".to_owned()), ("job", "id job".to_owned())]);
        assert!(texts.constants.contains(&("Asked".to_owned(), "NAMES".to_owned())));
    }
}
