use crate::name::Name;
use crate::pattern::Pattern;

/// What a request for work asks for: kinds, patterns of kinds, or any kind in queues that are named.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// From these queues; empty is all.
    pub queues: &'a [Name],
    /// Of these kinds.
    pub kinds: &'a [Name],
    /// Of the kinds that one of these matches, too.
    pub patterns: &'a [Pattern],
}

impl Wanted<'_> {
    /// Whether neither kinds nor queues are named.
    pub fn is_nothing(self) -> bool {
        self.queues.is_empty() && self.kinds.is_empty() && self.patterns.is_empty()
    }

    /// Whether it is whatever kind there is in the queues.
    pub fn any_kind(self) -> bool {
        !self.queues.is_empty() && self.kinds.is_empty() && self.patterns.is_empty()
    }

    /// Whether it is jobs of this kind, in one of the queues.
    pub fn kind(self, kind: &Name) -> bool {
        self.any_kind() || self.kinds.contains(kind) || self.patterns.iter().any(|pattern| pattern.matches(kind))
    }

    /// Whether it is jobs of this kind in this queue.
    pub fn job(self, queue: &Name, kind: &Name) -> bool {
        (self.queues.is_empty() || self.queues.contains(queue)) && self.kind(kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_wanted_by_its_kind_and_its_queue() {
        let names = |texts: &[&str]| texts.iter().map(|text| Name::new(text).unwrap()).collect::<Vec<_>>();
        let wants = |queues: &[&str], kinds: &[&str], patterns: &[&str]| {
            let patterns: Vec<Pattern> = patterns.iter().map(|text| Pattern::new(text).unwrap()).collect();
            let (queues, kinds) = (names(queues), names(kinds));
            let wanted = Wanted { queues: &queues, kinds: &kinds, patterns: &patterns };
            [("q", "shop.a"), ("q", "k"), ("r", "shop.a"), ("r", "k")]
                .map(|(queue, kind)| wanted.job(&Name::new(queue).unwrap(), &Name::new(kind).unwrap()))
        };
        assert_eq!(wants(&[], &[], &[]), [false; 4], "nothing is asked for");
        assert_eq!(wants(&[], &["k"], &[]), [false, true, false, true]);
        assert_eq!(wants(&[], &["k"], &["shop.*"]), [true; 4]);
        assert_eq!(wants(&["q"], &[], &[]), [true, true, false, false]);
        assert_eq!(wants(&["q"], &[], &["shop.*"]), [true, false, false, false], "a pattern is bound to its queues");
        assert_eq!(wants(&["r", "q"], &["k"], &[]), [false, true, false, true]);
    }
}
