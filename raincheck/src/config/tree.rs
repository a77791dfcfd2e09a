//! Settings before they have types: a tree of values, each knowing where it was said.

use std::{collections::BTreeMap, fmt, path::Path, sync::Arc};

/// Where a setting was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// In a file, on this line.
    File(Arc<Path>, usize),
    /// In an environment variable.
    Env(String),
    /// On the command line.
    Flag(&'static str),
    /// Nowhere.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Env(name) => write!(f, "${name}"),
            Self::Flag(flag) => f.write_str(flag),
            Self::Default => f.write_str("default"),
        }
    }
}

/// One value and where it was said.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Itself.
    pub value: Value,
    /// Where it was said.
    pub origin: Origin,
}

/// A value without a type of ours.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A text that is nothing but a text.
    Text(String),
    /// A text from the environment or a flag: it becomes whatever its place asks for.
    Loose(String),
    /// A whole number.
    Integer(i64),
    /// A number.
    Float(f64),
    /// Yes or no.
    Bool(bool),
    /// Several.
    List(Vec<Node>),
    /// Named ones.
    Table(BTreeMap<String, Node>),
}

impl Value {
    /// What it is, for messages.
    pub fn describe(&self) -> &'static str {
        match self {
            Self::Text(_) | Self::Loose(_) => "a text",
            Self::Integer(_) => "a whole number",
            Self::Float(_) => "a number",
            Self::Bool(_) => "true or false",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

impl Node {
    /// An empty table that nobody said.
    pub fn empty() -> Self {
        Self { value: Value::Table(BTreeMap::new()), origin: Origin::Default }
    }

    /// The node at `path`, if it was said.
    pub fn get(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |node, key| match &node.value {
            Value::Table(table) => table.get(*key),
            _ => None,
        })
    }

    /// As [`Node::get`], to change it.
    pub fn get_mut(&mut self, path: &[&str]) -> Option<&mut Self> {
        path.iter().try_fold(self, |node, key| match &mut node.value {
            Value::Table(table) => table.get_mut(*key),
            _ => None,
        })
    }

    /// Where the setting at `path` was said.
    pub fn origin(&self, path: &[&str]) -> Origin {
        self.get(path).map_or(Origin::Default, |node| node.origin.clone())
    }

    /// Puts `value` at `path` in place of what is there, making the tables on the way.
    pub fn set(&mut self, path: &[&str], value: Value, origin: Origin) {
        let Some((key, rest)) = path.split_first() else {
            *self = Self { value, origin };
            return;
        };
        if !matches!(self.value, Value::Table(_)) {
            self.value = Value::Table(BTreeMap::new());
        }
        if let Value::Table(table) = &mut self.value {
            let next =
                table.entry((*key).to_owned()).or_insert_with(|| Self { origin: origin.clone(), ..Self::empty() });
            next.set(rest, value, origin);
        }
    }
}

/// Settings and what is wrong with them.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// Where it was said, as far as that is known.
    pub origin: Option<Origin>,
    /// Which setting, `kinds."a.b".workers` for example; empty for a file as a whole.
    pub path: String,
    /// What is wrong, and what to do.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Some(Origin::Default) | None => {}
            Some(origin) => write!(f, "{origin}: ")?,
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}

/// `path` with `key` behind it, quoted where TOML asks for it.
pub fn join(path: &str, key: &str) -> String {
    let dot = if path.is_empty() { "" } else { "." };
    format!("{path}{dot}{}", quoted(key))
}

/// A key as TOML writes it.
pub fn quoted(key: &str) -> String {
    let bare = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    if bare { key.to_owned() } else { format!("\"{}\"", key.escape_default()) }
}

/// `: did you mean X?` when one of `known` is close to `word`, else the list of them.
pub fn suggestion(word: &str, known: &[&str]) -> String {
    let near = known
        .iter()
        .map(|name| (strsim::damerau_levenshtein(word, name), *name))
        .filter(|(distance, name)| *distance <= 1 + name.len().max(word.len()) / 4)
        .min();
    match near {
        Some((_, name)) => format!("did you mean `{name}`?"),
        None if known.is_empty() => "nothing can be set here".to_owned(),
        None => format!("known here: {}", known.join(", ")),
    }
}
