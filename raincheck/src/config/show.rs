//! Shows the settings as they are in force, and where each was said.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::Value;

use super::{
    Config,
    tree::{join, quoted},
};

/// One setting in force.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Effective {
    /// Its name, with its sections.
    pub key: String,
    /// Its value; of a secret only where it is.
    pub value: Value,
    /// `default`, `raincheck.toml:3`, `$RAINCHECK_LISTEN` or `--listen`.
    pub origin: String,
    #[serde(skip)]
    section: Vec<String>,
    #[serde(skip)]
    rest: String,
}

impl Config {
    /// Every setting that has a value.
    pub fn effective(&self) -> Vec<Effective> {
        let mut found = Vec::new();
        if let Ok(Value::Object(sections)) = serde_json::to_value(&self.settings) {
            for (section, value) in sections {
                // Queues and kinds have a table each.
                if let ("queues" | "kinds", Value::Object(named)) = (section.as_str(), &value) {
                    for (name, value) in named {
                        self.walk(&[section.clone(), name.clone()], &mut Vec::new(), value, &mut found);
                    }
                } else {
                    self.walk(&[section], &mut Vec::new(), &value, &mut found);
                }
            }
        }
        found
    }

    fn walk(&self, section: &[String], rest: &mut Vec<String>, value: &Value, found: &mut Vec<Effective>) {
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    rest.push(name.clone());
                    self.walk(section, rest, value, found);
                    rest.pop();
                }
            }
            Value::Null => {}
            value => {
                let path: Vec<&str> = section.iter().chain(rest.iter()).map(String::as_str).collect();
                let dotted = |keys: &[&str]| keys.iter().fold(String::new(), |path, key| join(&path, key));
                found.push(Effective {
                    key: dotted(&path),
                    value: value.clone(),
                    origin: self.origin(&path).to_string(),
                    section: section.to_vec(),
                    rest: dotted(&path[section.len()..]),
                });
            }
        }
    }

    /// The settings as TOML, which reads back as the same; with `origins` a comment behind each says where it is from.
    pub fn to_toml(&self, origins: bool) -> String {
        let mut text = String::new();
        let mut section: &[String] = &[];
        let settings = self.effective();
        let width = settings.iter().map(|s| line(s).chars().count()).filter(|width| *width <= 60).max().unwrap_or(0);
        for setting in &settings {
            if setting.section != section {
                section = &setting.section;
                let header: Vec<String> = section.iter().map(|key| quoted(key)).collect();
                let _ = writeln!(text, "{}[{}]", if text.is_empty() { "" } else { "\n" }, header.join("."));
            }
            let line = line(setting);
            if origins {
                let _ = writeln!(text, "{line:width$}  # {}", setting.origin);
            } else {
                let _ = writeln!(text, "{line}");
            }
        }
        // Naming a queue or kind says something, even where nothing is set.
        let queues = self.settings.queues.keys().map(|name| ["queues", name]);
        for named in queues.chain(self.settings.kinds.keys().map(|name| ["kinds", name])) {
            if !settings.iter().any(|setting| setting.section == named) {
                let _ = writeln!(text, "\n[{}.{}]", named[0], quoted(named[1]));
            }
        }
        text
    }
}

fn line(setting: &Effective) -> String {
    // JSON's texts, numbers and lists of them are TOML's, but for one control character that JSON lets stand.
    format!("{} = {}", setting.rest, setting.value.to_string().replace('\u{7f}', "\\u007f"))
}

/// Settings that differ between two configurations and are not taken over by a reload.
pub fn needs_restart(old: &Config, new: &Config) -> Vec<String> {
    let fixed = |config: &Config| -> Vec<Effective> {
        let reloaded = ["log.level", "defaults.", "queues.", "kinds."];
        let is_reloaded = |key: &str| reloaded.iter().any(|prefix| key.starts_with(prefix));
        config.effective().into_iter().filter(|setting| !is_reloaded(&setting.key)).collect()
    };
    let (old, new) = (fixed(old), fixed(new));
    let same = |a: &Effective, list: &[Effective]| list.iter().any(|b| a.key == b.key && a.value == b.value);
    let mut keys: Vec<String> = old
        .iter()
        .filter(|setting| !same(setting, &new))
        .chain(new.iter().filter(|setting| !same(setting, &old)))
        .map(|setting| setting.key.clone())
        .collect();
    keys.sort();
    keys.dedup();
    keys
}
