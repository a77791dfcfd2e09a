//! The mutants of the change feed and its readers.

use super::mutant::{Edit, Killer, Mutant};

const STORE: &[&str] = &["test", "-p", "raincheck-store", "--test", "it", "sqlite::"];
const READ: &[&str] = &["test", "-p", "raincheck-engine", "--test", "it", "feed"];

const PURGE: &str = "raincheck-store/src/sqlite/writer/purge.rs";
const TRIM: &str = "raincheck-store/src/sqlite/writer/trim.rs";
const WATCH: &str = "raincheck-engine/src/watch_feed.rs";

/// Those of what the feed keeps and tells.
pub const ON_FEED: &[Mutant] = &[
    Mutant {
        name: "purge-takes-events",
        fault: "a purge takes the job's events out of the feed",
        edits: &[Edit { file: TRIM, from: "let trimmed = number(db, TRIMMED)?;", to: "let trimmed = i64::MAX;" }],
        killer: Killer::Tests(STORE),
    },
    Mutant {
        name: "trim-takes-all",
        fault: "trimming the feed takes events of jobs that are there",
        edits: &[Edit { file: TRIM, from: "if !row.get(4)? {", to: "if row.get::<_, i64>(4)? < 2 {" }],
        killer: Killer::Tests(STORE),
    },
    Mutant {
        name: "trim-waits-for-nobody",
        fault: "trimming the feed does not wait for named readers",
        edits: &[Edit {
            file: "raincheck-engine/src/maintenance/task.rs",
            from: "read: engine.read_by_all().await?",
            to: "read: raincheck_core::Cursor(i64::MAX)",
        }],
        killer: Killer::Campaign("feed", 5),
    },
    Mutant {
        name: "reader-not-told",
        fault: "a named reader is not told of events that went before it read them",
        edits: &[Edit {
            file: WATCH,
            from: "Start::Reader(place) => place,",
            to: "Start::Reader(place) => place.forgiving(removed),",
        }],
        killer: Killer::Tests(READ),
    },
    Mutant {
        name: "erased-into-free-pages",
        fault: "on SQLite what is removed stays in free pages",
        edits: &[Edit { file: PURGE, from: "overwrite_deleted(db, \"ON\")?;", to: "overwrite_deleted(db, \"OFF\")?;" }],
        killer: Killer::Tests(&["test", "-p", "raincheck-store", "--test", "it", "sqlite::what_is_removed"]),
    },
];
