//! Which runner runs a job.

use std::{collections::BTreeMap, sync::Arc};

use crate::run::Runner;

/// What stands for any kind.
const ANY: &str = "*";

/// Runners by kind, or by a pattern of kinds.
#[derive(Default)]
pub(super) struct Kinds(BTreeMap<String, Arc<dyn Runner>>);

impl Kinds {
    pub(super) fn insert(&mut self, kind: String, runner: Arc<dyn Runner>) {
        self.0.insert(kind, runner);
    }

    /// For jobs of any kind that no other runner serves.
    pub(super) fn insert_any(&mut self, runner: Arc<dyn Runner>) {
        self.insert(ANY.into(), runner);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn runners(&self) -> impl Iterator<Item = &Arc<dyn Runner>> {
        self.0.values()
    }

    /// What to ask for: nothing stands for any kind, in queues that are named.
    pub(super) fn asked(&self, queues: &[String]) -> Vec<String> {
        match self.0.contains_key(ANY) && !queues.is_empty() {
            true => Vec::new(),
            false => self.0.keys().cloned().collect(),
        }
    }

    /// The runner of the kind itself, else that of the longest pattern that matches.
    pub(super) fn runner(&self, kind: &str) -> Option<&Arc<dyn Runner>> {
        let by_pattern =
            || self.0.iter().filter(|(pattern, _)| matches(pattern, kind)).max_by_key(|(text, _)| text.len());
        self.0.get(kind).or_else(|| by_pattern().map(|(_, runner)| runner))
    }
}

/// Whether `pattern`, in which `*` stands for any run of characters, matches the whole of `kind`.
fn matches(pattern: &str, kind: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == kind };
    let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    let inner = kind.strip_prefix(first).and_then(|inner| inner.strip_suffix(last));
    let Some(mut left) = inner else { return false };
    middle.split('*').all(|piece| {
        let found = left.split_once(piece);
        left = found.map_or(left, |(_, after)| after);
        found.is_some()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{Outcome, function};

    #[test]
    fn the_kind_itself_goes_before_patterns_and_the_longest_of_those_before_others() {
        let runner = || Arc::new(function(|_| async { Outcome::complete(&()) })) as Arc<dyn Runner>;
        let (by_name, short, long, any) = (runner(), runner(), runner(), runner());
        let mut kinds = Kinds::default();
        kinds.insert("shop.email".into(), by_name.clone());
        kinds.insert("shop.*".into(), short.clone());
        kinds.insert("shop.*.eu".into(), long.clone());
        let finds = |kinds: &Kinds, kind: &str, runner: &Arc<dyn Runner>| {
            kinds.runner(kind).is_some_and(|found| Arc::ptr_eq(found, runner))
        };
        assert!(finds(&kinds, "shop.email", &by_name) && finds(&kinds, "shop.sms", &short));
        assert!(finds(&kinds, "shop.sms.eu", &long));
        assert!(kinds.runner("mail").is_none() && kinds.runner("shop").is_none());
        assert_eq!(kinds.asked(&["q".into()]), ["shop.*", "shop.*.eu", "shop.email"]);
        kinds.insert_any(any.clone());
        assert!(finds(&kinds, "mail", &any) && finds(&kinds, "shop.sms", &short));
        assert!(kinds.asked(&["q".into()]).is_empty());
        assert_eq!(kinds.asked(&[]), ["*", "shop.*", "shop.*.eu", "shop.email"]);
    }

    #[test]
    fn stars_stand_for_any_run_of_characters() {
        let yes = [("a*", "a"), ("*b*", "abc"), ("a*b*c", "abbc"), ("a*a", "aba"), ("**", "x"), ("a*ab*b", "aabb")];
        let no = [("a*", "ba"), ("a*a", "a"), ("a*b*c", "acb"), ("a*ab*b", "aab"), ("a", "ab")];
        assert!(yes.iter().all(|(pattern, kind)| matches(pattern, kind)));
        assert!(!no.iter().any(|(pattern, kind)| matches(pattern, kind)));
    }
}
