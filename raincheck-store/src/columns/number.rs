//! Numbers that stand in the text of statements, from where they are said.

use raincheck_core::{EventType, State, limits};

use super::text::number;

/// The states that statements name. Waiting ones are below `RUNNING`, final ones above it, unlucky ones above `SUCCEEDED`.
pub(crate) const SCHEDULED: &str = number!(State::Scheduled as usize);
pub(crate) const QUEUED: &str = number!(State::Queued as usize);
pub(crate) const RUNNING: &str = number!(State::Running as usize);
pub(crate) const SUCCEEDED: &str = number!(State::Succeeded as usize);
/// The event that begins a run.
pub(crate) const STARTED: &str = number!(EventType::Started as usize);
/// Bytes of a payload that stands in the database.
pub(crate) const INLINE_BYTES: &str = number!(limits::INLINE_BYTES);

#[cfg(test)]
mod tests {
    use super::*;

    /// Indexes are used only where a statement says their condition in the same numbers.
    #[test]
    fn migrations_mean_the_same_states() {
        let legend: Vec<String> =
            State::ALL.iter().map(|state| format!("{} {}", *state as usize, state.as_str())).collect();
        for migration in [
            include_str!("../sqlite/migrations/V1__foundation.sql"),
            include_str!("../postgres/migrations/V1__foundation.sql"),
        ] {
            assert!(migration.contains(&format!("-- States by number: {}.\n", legend.join(", "))));
            for (index, condition) in [
                ("job_ready", format!("state = {QUEUED}")),
                ("job_due", format!("state = {SCHEDULED}")),
                ("job_start_by", format!("start_by IS NOT NULL AND state < {RUNNING} AND attempt = 0")),
                ("job_unlucky", format!("state > {SUCCEEDED}")),
                ("job_running", format!("state = {RUNNING}")),
            ] {
                let line = migration.lines().find(|line| line.starts_with(&format!("CREATE INDEX {index} ")));
                // On PostgreSQL, leases are the index of running jobs.
                let fits = |line: &str| line.ends_with(&format!(" WHERE {condition};"));
                assert!(line.map_or(index == "job_running", fits), "{index}: {line:?}");
            }
        }
        assert_eq!(INLINE_BYTES, limits::INLINE_BYTES.to_string());
        assert!(State::ALL.iter().all(|state| state.is_final() == (*state as usize > State::Running as usize)));
    }
}
