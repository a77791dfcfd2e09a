use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use raincheck_core::{Millis, Name, limits};
use raincheck_store::KindLine;

/// The lines of a queue are read again after so long.
const FRESH_MILLIS: Millis = 1_000;

/// The lines of queues by kind, as they were read when somebody last asked for a place in one.
#[derive(Default)]
pub(crate) struct KindLines(Mutex<HashMap<Name, Read>>);

/// Those of a queue.
struct Read {
    /// When somebody began to read them, milliseconds.
    at: Millis,
    lines: Arc<[KindLine]>,
}

impl KindLines {
    /// Whether they are to be read; others of the same moment take what there is.
    pub(crate) fn take_turn(&self, queue: &Name, ticks: Millis) -> bool {
        let mut all = self.0.lock();
        match all.get_mut(queue) {
            Some(read) if ticks - read.at < FRESH_MILLIS => return false,
            Some(read) => read.at = ticks,
            None => {
                if all.len() >= limits::QUEUES {
                    all.clear();
                }
                all.insert(queue.clone(), Read { at: ticks, lines: Arc::default() });
            }
        }
        true
    }

    pub(crate) fn put(&self, queue: &Name, lines: Vec<KindLine>) {
        if let Some(read) = self.0.lock().get_mut(queue) {
            read.lines = lines.into();
        }
    }

    pub(crate) fn of(&self, queue: &Name) -> Option<Arc<[KindLine]>> {
        self.0.lock().get(queue).map(|read| read.lines.clone())
    }
}

/// How many of a line came before this ticket, if they came at an even pace.
pub(crate) fn before(line: &KindLine, ticket: i64) -> u64 {
    let (first, last) = line.tickets;
    if ticket > last {
        return line.ready;
    }
    if ticket < first {
        return 0;
    }
    let share = (ticket - first) as f64 / (last - first).max(1) as f64;
    (line.ready as f64 * share) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_before_a_ticket() {
        let line = KindLine { kind: Name::new("k").unwrap(), ready: 10, tickets: (100, 200) };
        for (ticket, expected) in [(99, 0), (100, 0), (150, 5), (200, 10), (201, 10)] {
            assert_eq!(before(&line, ticket), expected, "{ticket}");
        }
        let one = KindLine { ready: 1, tickets: (7, 7), ..line };
        assert_eq!([6, 8].map(|ticket| before(&one, ticket)), [0, 1]);
    }

    #[test]
    fn one_looks_for_all_of_a_second() {
        let (lines, queue) = (KindLines::default(), Name::new("q").unwrap());
        assert!(lines.take_turn(&queue, 5) && !lines.take_turn(&queue, 5 + FRESH_MILLIS - 1));
        lines.put(&queue, vec![KindLine { kind: queue.clone(), ready: 1, tickets: (1, 1) }]);
        assert!(lines.take_turn(&queue, 5 + FRESH_MILLIS));
        assert_eq!(lines.of(&queue).unwrap().len(), 1, "what was known stays until it is read again");
        for n in 0..limits::QUEUES {
            assert!(lines.take_turn(&Name::new(&format!("q{n}")).unwrap(), 5));
        }
        assert!(lines.0.lock().len() <= limits::QUEUES);
    }
}
