//! What SQL does with tables and columns. Where a text does not say which table it speaks of, it may be any that fits: so
//! what is called dead here is dead.

use std::collections::{BTreeMap, BTreeSet};

use super::migration::Table;
use super::texts::Texts;
use super::tokens::{Token, tokens};

/// Names of tables, and of columns as `table.column`.
#[derive(Default)]
pub struct Uses {
    pub read: BTreeSet<String>,
    pub written: BTreeSet<String>,
    /// Columns that rows are found or put in order by.
    pub found_by: BTreeSet<String>,
}

/// Constants of a table of columns that a statement writes by.
const WRITE: &[&str] = &["NAMES", "SETS", "EACH"];
/// What a table comes after.
const LEADS: &[&str] = &["FROM", "JOIN", "INTO", "UPDATE", "ONLY", "LATERAL"];
/// What begins a condition or an order, and what ends it.
const FINDS: &[&str] = &["WHERE", "ON", "HAVING", "BY"];
const ENDS: &[&str] = &["SELECT", "FROM", "RETURNING", "SET", "LIMIT", "UNION", "VALUES", "INSERT", "UPDATE", "DELETE"];

/// What the code of a store, file by file, does with its tables.
pub fn uses<'a>(tables: &'a [Table], files: &'a [Texts]) -> Uses {
    let mut reader = Reader { tables, aliases: BTreeMap::new(), uses: Uses::default() };
    let mut literals = Vec::new();
    for texts in files {
        // A table that is put into a statement stands alone in quotes somewhere, as a rule nearby.
        let named = |texts: &Texts| -> BTreeSet<&'a str> {
            tables.iter().map(|table| table.name.as_str()).filter(|name| texts.words.contains(*name)).collect()
        };
        let nearby = Some(named(texts)).filter(|named| !named.is_empty());
        let named = nearby.unwrap_or_else(|| files.iter().flat_map(named).collect());
        for tokens in texts.literals.iter().map(|text| tokens(text)) {
            let own = reader.tables_of(&tokens, &named);
            literals.push((tokens, own));
        }
    }
    let constants: BTreeSet<(&str, &str)> =
        files.iter().flat_map(|texts| &texts.constants).map(|(of, name)| (of.as_str(), name.as_str())).collect();
    for row in files.iter().flat_map(|texts| &texts.rows) {
        for table in reader.aliases.get(row.alias.as_str()).cloned().unwrap_or_default() {
            let named = |constant: &str| constants.contains(&(row.name.as_str(), constant));
            for column in row.columns.iter().map(|column| format!("{table}.{column}")) {
                reader.uses.read.extend(named("SELECT").then(|| column.clone()));
                reader.uses.written.extend(WRITE.iter().any(|name| named(name)).then(|| column.clone()));
            }
        }
    }
    for (table, words) in files.iter().flat_map(|texts| &texts.inserts) {
        reader.uses.written.insert(table.clone());
        reader.uses.written.extend(words.iter().map(|word| format!("{table}.{word}")));
    }
    for (tokens, own) in &literals {
        reader.read(tokens, own);
    }
    reader.uses
}

/// The tables that a text names itself.
#[derive(Default)]
struct Own<'t> {
    tables: BTreeSet<&'t str>,
    aliases: BTreeMap<&'t str, &'t str>,
    /// One is put in when the program runs.
    has_hole: bool,
    /// No table is named: a piece of a statement.
    is_piece: bool,
    /// Where nothing says which, the tables that have all columns of no table that is named.
    fitting: BTreeSet<&'t str>,
}

impl Own<'_> {
    fn may_be(&self, table: &str) -> bool {
        self.fitting.is_empty() || self.fitting.contains(table)
    }
}

struct Reader<'t> {
    tables: &'t [Table],
    /// What tables go by anywhere.
    aliases: BTreeMap<&'t str, BTreeSet<&'t str>>,
    uses: Uses,
}

impl<'t> Reader<'t> {
    fn table(&self, name: &str) -> Option<&'t Table> {
        self.tables.iter().find(|table| table.name == name)
    }

    /// `named` are those that may be put in.
    fn tables_of(&mut self, tokens: &[Token<'t>], named: &BTreeSet<&'t str>) -> Own<'t> {
        let mut own = Own { is_piece: true, ..Own::default() };
        for (at, token) in tokens.iter().enumerate() {
            let before = |by: usize| at.checked_sub(by).map(|at| &tokens[at]);
            let leads = match before(1) {
                Some(Token::Keyword(word)) => LEADS.contains(word).then_some(*word),
                // `FROM a x, b y`: a table in a list has a name of its own, or it is taken for a column.
                Some(Token::Mark(',')) => matches!(tokens.get(at + 1), Some(Token::Name(_))).then_some("FROM"),
                _ => None,
            };
            if let Some(keyword) = leads {
                own.is_piece &= keyword == "FROM" && matches!(before(1), Some(Token::Mark(_)));
                match token {
                    Token::Hole => own.has_hole = true,
                    Token::Name(name) => {
                        if let Some(table) = self.table(name) {
                            own.is_piece = false;
                            own.tables.insert(&table.name);
                            let alias = match (tokens.get(at + 1), tokens.get(at + 2)) {
                                (Some(Token::Name(alias)), _)
                                | (Some(Token::Keyword("AS")), Some(Token::Name(alias))) => Some(*alias),
                                _ => None,
                            };
                            if let Some(alias) = alias {
                                own.aliases.insert(alias, &table.name);
                                self.aliases.entry(alias).or_default().insert(&table.name);
                            }
                            let is_deleted = before(2) == Some(&Token::Keyword("DELETE"));
                            let is_written = matches!(keyword, "INTO" | "UPDATE");
                            if is_written {
                                self.uses.written.insert(table.name.clone());
                            }
                            if !is_deleted && !is_written || tokens.contains(&Token::Keyword("RETURNING")) {
                                self.uses.read.insert(table.name.clone());
                            }
                        }
                    }
                    _ => {}
                }
            }
        }
        if own.has_hole || own.is_piece {
            own.fitting = self.fitting(tokens, &own);
        }
        if own.has_hole {
            own.fitting.retain(|table| named.contains(table));
            self.uses.read.extend(named.iter().map(|name| (*name).to_owned()));
            self.uses.written.extend(named.iter().map(|name| (*name).to_owned()));
        }
        own
    }

    /// Tables that have each column which stands for itself and which no named table has.
    fn fitting(&self, tokens: &[Token<'_>], own: &Own<'_>) -> BTreeSet<&'t str> {
        let mut fitting: BTreeSet<&'t str> = self.tables.iter().map(|table| table.name.as_str()).collect();
        for (at, token) in tokens.iter().enumerate() {
            let Token::Name(name) = token else { continue };
            let is_qualified = at > 0 && tokens[at - 1] == Token::Mark('.');
            let has = |table: &&str| self.table(table).is_some_and(|table| table.has(name));
            if !is_qualified && self.tables.iter().any(|table| table.has(name)) && !own.tables.iter().any(has) {
                fitting.retain(|table| has(table));
            }
        }
        fitting
    }

    /// Tables that a column may be of.
    fn tables_with(&self, own: &Own<'_>, qualifier: Option<&str>, column: &str) -> Vec<&'t str> {
        let has = |table: &&'t Table| table.has(column);
        if let Some(qualifier) = qualifier {
            let named = own.aliases.get(qualifier).copied().or(self.table(qualifier).map(|table| table.name.as_str()));
            let anywhere = || self.aliases.get(qualifier).cloned().unwrap_or_default();
            let may_be = named.map_or_else(anywhere, |table| BTreeSet::from([table]));
            return self
                .tables
                .iter()
                .filter(has)
                .map(|it| it.name.as_str())
                .filter(|it| may_be.contains(it))
                .collect();
        }
        let of_own = |table: &&'t Table| own.tables.contains(table.name.as_str());
        let found: Vec<_> = self.tables.iter().filter(has).filter(of_own).map(|table| table.name.as_str()).collect();
        if found.is_empty() && (own.has_hole || own.is_piece) {
            return self.tables.iter().filter(has).map(|it| it.name.as_str()).filter(|it| own.may_be(it)).collect();
        }
        found
    }

    fn read(&mut self, tokens: &[Token<'_>], own: &Own<'_>) {
        if own.is_piece && !self.is_sql(tokens) {
            return;
        }
        // Conditions end with the bracket that they began in.
        let (mut finds, mut outer) = (own.is_piece, Vec::new());
        // The table that is written, and how deep its `SET` stands.
        let (mut target, mut set) = (None, None);
        let mut is_left = false;
        let mut at = 0;
        while at < tokens.len() {
            let (token, next) = (&tokens[at], tokens.get(at + 1));
            at += 1;
            match token {
                Token::Open => outer.push(finds),
                Token::Close => finds = outer.pop().unwrap_or(finds),
                Token::Mark(',') => is_left |= set == Some(outer.len()),
                Token::Keyword("INTO" | "UPDATE") => {
                    if let Some(table) = next.and_then(|next| self.named(next)) {
                        target = Some(table);
                        at += 1;
                        if *token == Token::Keyword("INTO") {
                            at = self.insert(tokens, at, table);
                        }
                    }
                    finds = false;
                }
                Token::Keyword("SET") => {
                    (set, is_left, finds) = (Some(outer.len()), true, false);
                }
                // What it is called from here on, and what its columns are.
                Token::Keyword("AS") if matches!(next, Some(Token::Name(_))) => {
                    at += 1;
                    if tokens.get(at) == Some(&Token::Open) {
                        at += tokens[at..].iter().position(|it| *it == Token::Close).map_or(0, |end| end + 1);
                    }
                }
                Token::Keyword("CONFLICT") if next == Some(&Token::Open) => {
                    at += tokens[at..].iter().position(|it| *it == Token::Close).map_or(0, |end| end + 1);
                }
                Token::Keyword(word) => {
                    if FINDS.contains(word) {
                        finds = true;
                    } else if ENDS.contains(word) {
                        finds = false;
                    }
                    if set == Some(outer.len()) && ["FROM", "WHERE", "RETURNING"].contains(word) {
                        (set, is_left) = (None, false);
                    }
                }
                Token::Name(_) if next == Some(&Token::Open) => {}
                Token::Name(name) if next == Some(&Token::Mark('.')) => {
                    if let Some(Token::Name(column)) = tokens.get(at + 1) {
                        let of = if *name == "excluded" { target } else { Some(*name) };
                        self.uses_column(own, of, column, finds || is_extreme(&tokens[..at]));
                    }
                    at += 2;
                }
                Token::Name(column) if is_left && next == Some(&Token::Mark('=')) => {
                    is_left = false;
                    self.uses.written.extend(target.map(|table| format!("{table}.{column}")));
                }
                Token::Name(column) => self.uses_column(own, None, column, finds || is_extreme(&tokens[..at])),
                _ => {}
            }
        }
    }

    fn named(&self, token: &Token<'_>) -> Option<&'t str> {
        match token {
            Token::Name(name) => self.table(name).map(|table| table.name.as_str()),
            _ => None,
        }
    }

    /// Notes the columns of an `INSERT` whose table ends before `at`; answers where it goes on.
    fn insert(&mut self, tokens: &[Token<'_>], at: usize, table: &str) -> usize {
        if tokens.get(at) == Some(&Token::Open) {
            let end = tokens[at..].iter().position(|it| *it == Token::Close).map_or(tokens.len(), |end| at + end);
            for token in &tokens[at..end] {
                if let Token::Name(column) = token {
                    self.uses.written.insert(format!("{table}.{column}"));
                }
            }
            return end;
        }
        let all = self.table(table).into_iter().flat_map(|table| &table.columns);
        self.uses.written.extend(all.map(|column| format!("{table}.{}", column.name)));
        at
    }

    fn uses_column(&mut self, own: &Own<'_>, qualifier: Option<&str>, column: &str, finds: bool) {
        for table in self.tables_with(own, qualifier, column) {
            self.uses.read.insert(format!("{table}.{column}"));
            // A piece may as well be one of the columns of an `INSERT`.
            self.uses.written.extend(own.is_piece.then(|| format!("{table}.{column}")));
            self.uses.found_by.extend(finds.then(|| format!("{table}.{column}")));
        }
    }

    /// Whether a piece may be SQL: each of its names is one that tables, their columns or their aliases have.
    fn is_sql(&self, tokens: &[Token<'_>]) -> bool {
        let mut names = tokens.iter().enumerate().filter_map(|(at, token)| match token {
            Token::Name(name) => Some((at, *name)),
            _ => None,
        });
        names.all(|(at, name)| {
            self.aliases.contains_key(name)
                || self.tables.iter().any(|table| table.name == name || table.has(name))
                || tokens.get(at + 1) == Some(&Token::Open)
                || at > 0 && tokens[at - 1] == Token::Keyword("AS")
        })
    }
}

/// Whether the name at the end stands in `min(…)` or `max(…)`, which an index answers.
fn is_extreme(tokens: &[Token<'_>]) -> bool {
    matches!(tokens, [.., Token::Name("min" | "max"), Token::Open, Token::Name(_)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::file::file;
    use crate::tidy::schema::migration::tables;

    /// What is read, written and found by, in words.
    fn used(literals: &[&str]) -> [String; 3] {
        let made = "CREATE TABLE job (no int, state int, at int);\nCREATE TABLE event (no int, data text, seq int);";
        let tables = tables([file("V1.sql", made)].iter()).expect("it is read");
        let mut texts =
            Texts { literals: literals.iter().map(|text| (*text).to_owned()).collect(), ..Texts::default() };
        texts.words.extend(["event".to_owned()]);
        let Uses { read, written, found_by } = uses(&tables, &[texts]);
        [read, written, found_by].map(|of| of.into_iter().collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn what_a_statement_reads_and_writes_is_told() {
        for (sql, [read, written, found_by]) in [
            ("SELECT no AS at FROM job WHERE state = 1", ["job job.no job.state", "", "job.state"]),
            ("SELECT max(no), at FROM job j", ["job job.at job.no", "", "job.no"]),
            ("INSERT INTO job (no, at) VALUES ($1, $2)", ["", "job job.at job.no", ""]),
            ("INSERT INTO job SELECT * FROM unnest($1)", ["", "job job.at job.no job.state", ""]),
            ("UPDATE job SET at = at + 1, state=2", ["job.at", "job job.at job.state", ""]),
            (
                "UPDATE job j SET at = e.seq FROM event e WHERE e.no = j.no",
                ["event event.no event.seq job.no", "job job.at", "event.no job.no"],
            ),
            (
                "INSERT INTO event VALUES (1) ON CONFLICT (no) DO UPDATE SET data = excluded.data",
                ["event.data", "event event.data event.no event.seq", ""],
            ),
            ("DELETE FROM job WHERE no = 1", ["job.no", "", "job.no"]),
            ("SELECT seq FROM {table} WHERE no > ?1", ["event event.no event.seq", "event", "event.no"]),
            ("the state of no event", ["", "", ""]),
        ] {
            assert_eq!(used(&[sql]), [read, written, found_by], "{sql}");
        }
    }

    #[test]
    fn a_piece_goes_by_what_tables_are_called_elsewhere() {
        let [read, ..] = used(&["SELECT 1 FROM event e", "e.seq, x.at"]);
        assert_eq!(read, "event", "there is no x, so it is no SQL");
        let [read, _, found_by] = used(&["SELECT 1 FROM event e", "e.seq > ?1"]);
        assert_eq!((read.as_str(), found_by.as_str()), ("event event.seq", "event.seq"));
    }
}
