//! What the migrations of a store make.

use crate::tidy::file::File;

/// A table, and where it is made.
pub struct Table {
    pub name: String,
    pub place: String,
    pub columns: Vec<Column>,
    pub indexes: Vec<Index>,
    /// A migration itself puts rows there.
    pub is_filled: bool,
}

pub struct Column {
    pub name: String,
    pub place: String,
    /// The database makes its values.
    pub is_made: bool,
}

pub struct Index {
    pub name: String,
    pub place: String,
    /// It keeps a promise, besides finding rows.
    pub is_unique: bool,
    /// What is looked for by it: the first column, and those of its condition.
    pub words: Vec<String>,
}

impl Table {
    pub fn has(&self, column: &str) -> bool {
        self.columns.iter().any(|it| it.name == column)
    }
}

/// Reads `CREATE TABLE`, `CREATE INDEX` and `INSERT`; what else a migration may do it does not know yet, and says so.
pub fn tables<'f>(files: impl Iterator<Item = &'f File>) -> Result<Vec<Table>, String> {
    let mut tables: Vec<Table> = Vec::new();
    for file in files {
        let text = without_comments(&file.text);
        for (start, statement) in pieces(&text, ';') {
            let place = |within: usize| format!("{}:{}", file.path, text[..start + within].matches('\n').count() + 1);
            let words: Vec<&str> = statement.split_whitespace().collect();
            match words.as_slice() {
                [] | ["CREATE", "SEQUENCE", ..] => {}
                ["CREATE", "TABLE", name, ..] => {
                    tables.push(Table {
                        name: (*name).to_owned(),
                        place: place(0),
                        columns: columns(statement, place),
                        indexes: Vec::new(),
                        is_filled: false,
                    });
                }
                ["CREATE", "INDEX", name, "ON", table, ..] | ["CREATE", "UNIQUE", "INDEX", name, "ON", table, ..] => {
                    let table = of(&mut tables, table).ok_or_else(|| format!("{}: no table {table}", place(0)))?;
                    let (_, rest) = statement.split_once(&table.name).unwrap_or_default();
                    let (keys, condition) = rest.split_once("WHERE").unwrap_or((rest, ""));
                    let known = |text: &str| -> Vec<String> {
                        let words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
                        words.filter(|word| table.has(word)).map(str::to_owned).collect()
                    };
                    let mut looked_for = known(keys);
                    looked_for.truncate(1);
                    looked_for.extend(known(condition));
                    table.indexes.push(Index {
                        name: (*name).to_owned(),
                        place: place(0),
                        is_unique: words[1] == "UNIQUE",
                        words: looked_for,
                    });
                }
                ["INSERT", "INTO", table, ..] => {
                    let table = of(&mut tables, table).ok_or_else(|| format!("{}: no table {table}", place(0)))?;
                    table.is_filled = true;
                }
                [first, ..] => return Err(format!("{}: tidy cannot read `{first}` in a migration yet", place(0))),
            }
        }
    }
    Ok(tables)
}

fn of<'t>(tables: &'t mut [Table], name: &str) -> Option<&'t mut Table> {
    tables.iter_mut().find(|table| table.name == name)
}

/// What stands between the first bracket of `CREATE TABLE` and the one that closes it.
fn columns(statement: &str, place: impl Fn(usize) -> String) -> Vec<Column> {
    let open = statement.find('(').map_or(statement.len(), |at| at + 1);
    let mut depth = 1;
    let end = statement[open..].find(|c| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        depth == 0
    });
    let body = &statement[open..end.map_or(statement.len(), |end| open + end)];
    let mut columns = Vec::new();
    for (start, piece) in pieces(body, ',') {
        let name = piece.split(|c: char| c.is_whitespace() || c == '(').next().unwrap_or_default();
        if !name.is_empty() && !name.starts_with(|c: char| c.is_uppercase()) {
            let is_made = piece.contains("GENERATED") || piece.contains("INTEGER PRIMARY KEY");
            columns.push(Column { name: name.to_owned(), place: place(open + start), is_made });
        }
    }
    columns
}

/// Splits at a mark that stands in no bracket; each piece without the space before it, and where it begins.
fn pieces(text: &str, mark: char) -> Vec<(usize, &str)> {
    let (mut depth, mut start, mut found) = (0, 0, Vec::new());
    for (at, c) in text.char_indices().chain([(text.len(), mark)]) {
        depth += i32::from(c == '(') - i32::from(c == ')');
        if c == mark && depth == 0 {
            let piece = &text[start..at];
            let trimmed = piece.trim_start();
            found.push((at - trimmed.len(), trimmed));
            start = at + 1;
        }
    }
    found
}

/// The same text, as long as before, with blanks for comments.
fn without_comments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let (code, _) = line.split_once("--").unwrap_or((line, ""));
        out.push_str(code);
        out.extend(line[code.len()..].chars().map(|c| if c == '\n' { c } else { ' ' }));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::file::file;

    #[test]
    fn tables_columns_and_indexes_are_read_with_their_lines() {
        let text = "-- A comment; with marks, (\nCREATE TABLE a (\n    no INTEGER PRIMARY KEY,\n    -- What.\n    \
             b TEXT DEFAULT ('x'), c real,\n    PRIMARY KEY (no, b)\n) WITH (fillfactor = 50);\n\
             CREATE SEQUENCE s;\nCREATE UNIQUE INDEX one ON a (b, c);\nCREATE INDEX two ON a (least(c, b)) WHERE b > 1;\n\
             INSERT INTO a VALUES (1);\n";
        let tables = tables([file("V1.sql", text)].iter()).expect("it is read");
        let [a] = tables.as_slice() else { panic!("one table") };
        assert_eq!((a.name.as_str(), a.place.as_str(), a.is_filled), ("a", "V1.sql:2", true));
        let columns: Vec<_> = a.columns.iter().map(|c| (c.name.as_str(), c.place.as_str(), c.is_made)).collect();
        assert_eq!(columns, [("no", "V1.sql:3", true), ("b", "V1.sql:5", false), ("c", "V1.sql:5", false)]);
        let indexes: Vec<_> = a.indexes.iter().map(|i| (i.name.as_str(), i.is_unique, i.words.join(" "))).collect();
        assert_eq!(indexes, [("one", true, "b".to_owned()), ("two", false, "c b".to_owned())]);
    }

    #[test]
    fn a_statement_that_is_not_known_is_said() {
        let said = tables([file("V2.sql", "\nALTER TABLE a ADD COLUMN b;")].iter()).err();
        assert_eq!(said.as_deref(), Some("V2.sql:2: tidy cannot read `ALTER` in a migration yet"));
    }
}
