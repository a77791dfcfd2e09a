//! What is said where a machine's clock does not fit the data.

use raincheck_core::{Millis, Timestamp, limits};

use crate::checkup::{CheckPage, Invariant};

/// Says at a start how far a clock is from the latest time that the data tells of, where that is worth a word.
pub(crate) fn say(whose: &str, now: Timestamp, seen: Timestamp) {
    let (behind, ahead) = (seen.since(now), now.since(seen));
    if behind > limits::CLOCK_BEHIND_MILLIS {
        tracing::warn!(
            behind = length(behind),
            "the clock of {whose} is behind the last change of the data: time goes on from there, and nears it slowly; \
             if that change was written by a clock that was ahead, see docs/backup.md"
        );
    } else if seen.0 > 0 && ahead > limits::CLOCK_AHEAD_MILLIS {
        tracing::warn!(
            ahead = length(ahead),
            "the clock of {whose} is far ahead of the last change of the data; where it is wrong, stop the server and set \
             it: what is written by it keeps time ahead"
        );
    }
}

/// The same for those who look at the data.
pub(crate) fn look(now: Timestamp, seen: Timestamp, page: &mut CheckPage) {
    let behind = seen.since(now);
    if behind > limits::CLOCK_BEHIND_MILLIS {
        let detail = format!("it is {} behind the last change of the data", length(behind));
        page.found(Invariant::Clock, "the clock", detail);
    }
}

/// In the largest unit there is more than one of.
fn length(millis: Millis) -> String {
    let seconds = millis / 1_000;
    match [(86_400, "days"), (3_600, "hours"), (60, "minutes")].into_iter().find(|(unit, _)| seconds >= 2 * unit) {
        Some((unit, name)) => format!("{} {name}", seconds / unit),
        None => format!("{seconds} seconds"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_told_in_units_for_people() {
        let lengths = [11_000, 119_000, 120_000, 7_200_000, 172_800_000, 126_230_400_000].map(length);
        assert_eq!(lengths, ["11 seconds", "119 seconds", "2 minutes", "2 hours", "2 days", "1461 days"]);
    }
}
