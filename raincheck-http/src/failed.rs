//! Log lines of requests that the store failed. While it is away there are as many of those as requests, and they are all
//! alike: one line each few seconds stands for them, so that the others can be read.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use raincheck_store::StoreError;

/// How long one line stands for all that are like it.
const PAUSE: Duration = Duration::from_secs(5);
/// Most lines in that time.
const LINES: usize = 16;

static SAID: LazyLock<Mutex<Said>> = LazyLock::new(Mutex::default);

/// What was said lately.
#[derive(Default)]
struct Said(Vec<Line>);

struct Line {
    what: &'static str,
    why: String,
    at: Instant,
    /// How many were like it since.
    more: u64,
}

/// Says that something of a request failed, unless that was said just now.
pub fn say(what: &'static str, error: &StoreError) {
    let said = SAID.lock().news(what, error.to_string(), Instant::now());
    match said {
        Some(0) => tracing::error!(%error, "{what}"),
        Some(since) => tracing::error!(%error, since_the_last_such_line = since, "{what}"),
        None => tracing::debug!(%error, "{what}"),
    }
}

impl Said {
    /// How many were like it since that was last said; `None` where that was just now.
    fn news(&mut self, what: &'static str, why: String, now: Instant) -> Option<u64> {
        let is_old = |line: &Line| now.duration_since(line.at) >= PAUSE;
        if let Some(line) = self.0.iter_mut().find(|line| line.what == what && line.why == why) {
            line.more += 1;
            if !is_old(line) {
                return None;
            }
            line.at = now;
            return Some(std::mem::take(&mut line.more) - 1);
        }
        if self.0.len() == LINES {
            self.0.retain(|line| !is_old(line));
        }
        let is_said = self.0.len() < LINES;
        if is_said {
            self.0.push(Line { what, why, at: now, more: 0 });
        }
        is_said.then_some(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_stands_for_all_that_are_like_it() {
        let (mut said, begin) = (Said::default(), Instant::now());
        let mut news = |why: &str, millis| said.news("failed", why.to_owned(), begin + Duration::from_millis(millis));
        assert_eq!(news("away", 0), Some(0));
        for millis in 1..=400 {
            assert_eq!(news("away", millis), None);
        }
        assert_eq!(news("full", 401), Some(0), "another one is news");
        assert_eq!(news("away", 5_000), Some(400));
        assert_eq!(news("away", 5_001), None);
        // Never more lines than that, however many kinds there are; and then they are told again.
        let logged = (0..100).filter(|n| news(&n.to_string(), 5_002).is_some()).count();
        assert_eq!(logged, LINES - 2);
        assert_eq!(news("new", 20_000), Some(0));
    }
}
