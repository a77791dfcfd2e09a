//! What a program is told about its job, in its environment.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    path::Path,
};

use crate::run::Task;

/// The variables of one run.
#[derive(Default)]
pub(super) struct Facts {
    variables: BTreeMap<String, OsString>,
}

impl Facts {
    pub(super) fn of(task: &Task) -> Self {
        let mut facts = Self::default();
        let job = task.job();
        let shell_names: Vec<String> = job.tags.keys().map(|name| shell_name(name)).collect();
        for ((_, value), name) in job.tags.iter().zip(&shell_names) {
            // Of several that a shell could not tell apart it gets none, rather than one of them.
            if shell_names.iter().filter(|other| *other == name).count() == 1 {
                facts.put(&format!("TAG_{name}"), value);
            }
        }
        facts.put("TAGS", &serde_json::to_string(&job.tags).unwrap_or_default());
        facts.put("JOB", &job.id);
        facts.put("KIND", &job.kind);
        facts.put("QUEUE", &job.queue);
        facts.put("METHOD", &job.method);
        facts.put("ATTEMPT", &task.attempt().to_string());
        facts.put("MAX_ATTEMPTS", &job.max_attempts.to_string());
        facts.put("LABEL", job.label.as_deref().unwrap_or_default());
        facts.put("KEY", job.key.as_deref().unwrap_or_default());
        for (name, value) in [("TRACEPARENT", task.traceparent()), ("TRACESTATE", task.tracestate())] {
            facts.variables.extend(value.map(|value| (name.to_owned(), clean(value))));
        }
        facts
    }

    pub(super) fn put(&mut self, name: &str, value: &str) {
        self.variables.insert(format!("RAINCHECK_{name}"), clean(value));
    }

    pub(super) fn path(&mut self, name: &str, path: &Path) {
        self.variables.insert(format!("RAINCHECK_{name}"), path.as_os_str().to_owned());
    }

    /// All but those that the operator set himself.
    pub(super) fn beside<'a>(
        &'a self,
        operators: &'a [(OsString, OsString)],
    ) -> impl Iterator<Item = (&'a str, &'a OsStr)> {
        let own = |(name, value): (&'a String, &'a OsString)| (name.as_str(), value.as_os_str());
        self.variables.iter().map(own).filter(|(name, _)| !operators.iter().any(|(other, _)| other == name))
    }
}

/// A variable cannot hold NUL.
fn clean(value: &str) -> OsString {
    value.replace('\0', "").into()
}

/// A name that every shell can read.
fn shell_name(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}
