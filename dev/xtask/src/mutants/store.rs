//! The mutants of the store on SQLite and of payloads in files.

use super::mutant::{Edit, Killer, Mutant};

const STORE: &[&str] = &["test", "-p", "raincheck-store", "--test", "it", "sqlite::"];
const DAMAGE: &[&str] = &["test", "-p", "raincheck-store", "--test", "it", "damage"];
const BATCHES: &[&str] = &["test", "-p", "raincheck-store", "--test", "it", "on_sqlite::conformance::batches"];

const CHANGES: &str = "raincheck-store/src/sqlite/writer/changes.rs";
const FACTS: &str = "raincheck-store/src/sqlite/writer/facts.rs";
const CONNECTION: &str = "raincheck-store/src/sqlite/connection.rs";
const WRITER: &str = "raincheck-store/src/sqlite/writer/transaction.rs";
const PURGE: &str = "raincheck-store/src/sqlite/writer/purge.rs";

/// Those that would lose, double or keep what they must not.
pub const OF_THE_STORE: &[Mutant] = &[
    Mutant {
        name: "synchronous-normal",
        fault: "the log is not synced before the answer",
        edits: &[
            Edit { file: CONNECTION, from: "\"PRAGMA synchronous = FULL;\"", to: "\"PRAGMA synchronous = NORMAL;\"" },
            // And nobody looks.
            Edit { file: CONNECTION, from: "(options.durable && synchronous != FULL)", to: "synchronous > FULL" },
        ],
        killer: Killer::Campaign("power-cut", 20),
    },
    Mutant {
        name: "reply-before-commit",
        fault: "a caller is answered before the transaction is on disk",
        edits: &[Edit {
            file: WRITER,
            from: "            answers.push((answer, replies));\n",
            to: "            let _ = answer.send(Ok(replies));\n",
        }],
        killer: Killer::Campaign("power-cut", 20),
    },
    Mutant {
        name: "event-after-commit",
        fault: "events are written in a transaction of their own, after that of their jobs",
        edits: &[
            Edit {
                file: CHANGES,
                from: "                    events::insert(self.statements.insert_event.get()?, &event)?;\n",
                to: "",
            },
            Edit {
                file: WRITER,
                from: "        self.statements.commit.run().map_err(|e| (e.into(), Vec::new()))?;\n",
                to: "        self.statements.commit.run().map_err(|e| (e.into(), Vec::new()))?;\n        \
                     let insert = self.statements.insert_event.get().map_err(|e| (e.into(), Vec::new()))?;\n        \
                     for event in &self.events {\n            \
                     crate::sqlite::tables::events::insert(insert, event).map_err(|e| (e.into(), Vec::new()))?;\n        }\n",
            },
        ],
        killer: Killer::Campaign("kill", 20),
    },
    Mutant {
        name: "lease-by-wall-clock",
        fault: "leases end by the wall clock",
        edits: &[
            Edit {
                file: WRITER,
                from: "let at = self.shared.clock.reading();",
                to: "let at = raincheck_core::Reading::from(self.shared.clock.now().0);",
            },
            Edit {
                file: FACTS,
                from: "overrun(lease, self.shared.clock.reading())",
                to: "overrun(lease, self.shared.clock.now().0)",
            },
            Edit {
                file: "raincheck-store/src/sqlite/store.rs",
                from: "overdue(self.shared.clock.reading(), limit)",
                to: "overdue(self.shared.clock.now().0, limit)",
            },
            Edit {
                file: "raincheck-store/src/sqlite/store.rs",
                from: "let at = self.shared.clock.reading();\n        let mut leases",
                to: "let at = self.shared.clock.now().0;\n        let mut leases",
            },
        ],
        killer: Killer::Tests(STORE),
    },
    Mutant {
        name: "key-by-look-then-insert",
        fault: "a key is looked for outside the transaction that claims it, and nothing is unique",
        edits: &[
            Edit {
                file: FACTS,
                from: "claims::find(self.db, Place::of(name.scope, queue), name.key)?.into()",
                to: "self.shared.read(|db| claims::find(db, Place::of(name.scope, queue), name.key))\
                     .map_err(|_| rusqlite::Error::InvalidQuery)?.into()",
            },
            Edit {
                file: "raincheck-store/src/sqlite/tables/claims.rs",
                from: "if place.scope == ClaimScope::Equal {",
                to: "if place.scope != ClaimScope::Id {",
            },
        ],
        killer: Killer::Tests(STORE),
    },
    Mutant {
        name: "batch-without-name",
        fault: "the request id of a batch is not written down",
        edits: &[Edit {
            file: CHANGES,
            from: "let Some(no) = jobs.last().copied() else { continue };",
            to: "let Some(no) = jobs.last().copied().filter(|_| jobs.is_empty()) else { continue };",
        }],
        killer: Killer::Tests(BATCHES),
    },
    Mutant {
        name: "batch-of-any-content",
        fault: "a request id answers the jobs of its batch whatever is asked for under it",
        edits: &[Edit {
            file: "raincheck-store/src/sqlite/writer/apply.rs",
            from: "let facts = self.batch_facts(&name.id)?;",
            to: "let mut facts = self.batch_facts(&name.id)?;\n        \
                 if let interpreter::Fact::Here(claim) = &mut facts.claim { claim.fingerprint = name.fingerprint; }",
        }],
        killer: Killer::Tests(BATCHES),
    },
    Mutant {
        name: "retention-without-state",
        fault: "old jobs are purged whatever their state",
        edits: &[
            Edit {
                file: PURGE,
                from: "WHERE j.expires_at IS NOT NULL AND j.expires_at<=?1 AND j.state>{RUNNING} \\\n         \
                       ORDER BY j.expires_at LIMIT ?2",
                to: "WHERE coalesce(j.expires_at, j.run_at+1000)<=?1 AND {RUNNING}>0 LIMIT ?2",
            },
            Edit { file: PURGE, from: "AND state=?2 AND state>\", RUNNING]", to: "AND state=?2 AND state>\", \"-1\"]" },
        ],
        // Others of the suite would never end.
        killer: Killer::Tests(&["test", "-p", "raincheck-store", "--test", "it", "on_sqlite::conformance::purge"]),
    },
    Mutant {
        name: "running-not-forgotten",
        fault: "what the writer keeps of running jobs outlives a transaction that was taken back",
        edits: &[Edit { file: WRITER, from: "        self.running.clear();\n", to: "" }],
        killer: Killer::Tests(STORE),
    },
    Mutant {
        name: "mark-of-anybody",
        fault: "a folder of large payloads is taken whosever mark it bears",
        edits: &[Edit {
            file: "raincheck-store/src/blobs/folder/mark.rs",
            from: "if theirs.contains(&ours) {",
            to: "if theirs.contains(&ours) || ours != StoreId([0; 16]) {",
        }],
        killer: Killer::Campaign("foreign-folder", 8),
    },
    Mutant {
        name: "sweep-of-any-name",
        fault: "a sweep takes every file in the folders of payloads for one of its own",
        edits: &[Edit {
            file: "raincheck-store/src/blobs/layout.rs",
            from: "    is_name(name) && shard.is_none_or(",
            to: "    !name.is_empty() && shard.is_none_or(",
        }],
        killer: Killer::Campaign("foreign-folder", 8),
    },
    Mutant {
        name: "gone-not-minded",
        fault: "the writer goes on acknowledging though its files were taken away",
        edits: &[Edit {
            file: WRITER,
            from: "if self.shared.gone.load(Ordering::Relaxed) {",
            to: "if self.shared.gone.load(Ordering::Relaxed) && self.cursor < 0 {",
        }],
        killer: Killer::Campaign("foreign-folder", 8),
    },
    Mutant {
        name: "circles-are-followed",
        fault: "rows that come again are read again, for ever",
        edits: &[Edit {
            file: "raincheck-store/src/rules/key.rs",
            from: "let is_behind = next > *last;",
            to: "let is_behind = next == next;",
        }],
        killer: Killer::Tests(DAMAGE),
    },
    Mutant {
        name: "payloads-are-not-compared",
        fault: "a payload of the right size is taken for the one that was written",
        edits: &[Edit {
            file: "raincheck-store/src/sqlite/check/expected_files.rs",
            from: "Ok((_, Some(false))) => format!(\"the file {name} is not what was written\"),",
            to: "",
        }],
        killer: Killer::Tests(DAMAGE),
    },
    Mutant {
        name: "loss-in-silence",
        fault: "a log that was lost is taken for one that was never written",
        edits: &[Edit {
            file: "raincheck-store/src/sqlite/disk/high_water.rs",
            from: "if self.said.head > head {",
            to: "if self.said.head > i64::MAX - 1 {",
        }],
        killer: Killer::Tests(DAMAGE),
    },
    Mutant {
        name: "reserve-by-checkpoint",
        fault: "a burst of small inputs takes the reserve before anybody looks",
        edits: &[Edit {
            file: "raincheck-store/src/sqlite/disk/space.rs",
            from: "let Some(left) = promised.left.checked_sub(2 * bytes) else { return false };",
            to: "let left = promised.left.saturating_sub(2 * bytes);",
        }],
        killer: Killer::Tests(&["test", "-p", "raincheck-store", "--lib"]),
    },
    Mutant {
        name: "orphan-at-sight",
        fault: "a payload that no job refers to yet is taken for an orphan while the store is open",
        edits: &[Edit {
            file: "raincheck-store/src/blobs/orphans/search.rs",
            from: "let is_old = now - met.since >= limits::ORPHANS_MILLIS;",
            to: "let is_old = now >= met.since;",
        }],
        killer: Killer::Tests(STORE),
    },
    Mutant {
        name: "unclaimed-stays",
        fault: "the file of an upload that nobody wants is left where it is",
        edits: &[Edit {
            file: "raincheck-store/src/blobs/unclaimed.rs",
            from: "let Some(name) = self.name.take() else { return };\n        // Outside",
            to: "let Some(name) = self.name.take().filter(|_| false) else { return };\n        // Outside",
        }],
        killer: Killer::Campaign("torn-upload", 6),
    },
];
