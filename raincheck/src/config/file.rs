//! Reads a TOML file into a tree of settings that know their lines.

use std::{path::Path, sync::Arc};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::tree::{Fault, Node, Origin, Value};

/// The settings of `text`, which is what stands in the file `path`.
pub fn parse(path: &Path, text: &str) -> Result<Node, Fault> {
    let lines = Lines { path: path.into(), text };
    let table = DeTable::parse(text).map_err(|error| Fault {
        origin: Some(lines.origin(error.span().map_or(0, |span| span.start))),
        path: String::new(),
        message: error.message().trim().replace('\n', "; "),
    })?;
    Ok(Node { value: lines.table(table.get_ref()), origin: lines.origin(0) })
}

struct Lines<'a> {
    path: Arc<Path>,
    text: &'a str,
}

impl Lines<'_> {
    fn origin(&self, offset: usize) -> Origin {
        let before = self.text.as_bytes().iter().take(offset);
        Origin::File(self.path.clone(), 1 + before.filter(|byte| **byte == b'\n').count())
    }

    fn table(&self, table: &DeTable<'_>) -> Value {
        let nodes = table.iter().map(|(key, value)| {
            let origin = self.origin(key.span().start);
            (key.get_ref().to_string(), Node { value: self.value(value), origin })
        });
        Value::Table(nodes.collect())
    }

    fn value(&self, value: &Spanned<DeValue<'_>>) -> Value {
        match value.get_ref() {
            DeValue::String(text) => Value::Text(text.to_string()),
            // A number that does not fit says so where it is read.
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map_or_else(|_| Value::Text(number.as_str().to_owned()), Value::Integer),
            DeValue::Float(number) => {
                number.as_str().parse().map_or_else(|_| Value::Text(number.as_str().to_owned()), Value::Float)
            }
            DeValue::Boolean(yes) => Value::Bool(*yes),
            DeValue::Datetime(time) => Value::Text(time.to_string()),
            DeValue::Array(items) => Value::List(
                items
                    .iter()
                    .map(|item| Node { value: self.value(item), origin: self.origin(item.span().start) })
                    .collect(),
            ),
            DeValue::Table(table) => self.table(table),
        }
    }
}
