//! The mutants: one row each, a fault that someone could write one day and that the suite must see. Those of the
//! feed and of PostgreSQL stand beside.

use super::mutant::{Edit, Killer, Mutant};

const ENGINE: &[&str] = &["test", "-p", "raincheck-engine", "--lib", "dispatch"];
const STORE: &[&str] = &["test", "-p", "raincheck-store", "--test", "it"];
const DAMAGE: &[&str] = &["test", "-p", "raincheck-store", "--test", "it", "damage"];
const BATCHES: &[&str] = &["test", "-p", "raincheck-store", "--test", "it", "on_sqlite::conformance::batches"];
const CORE: &[&str] = &["test", "-p", "raincheck-core"];
const ENVIRONMENT: &[&str] = &["test", "-p", "raincheck", "--test", "it", "environment"];
const RUN: &[&str] = &["test", "-p", "raincheck-client", "--lib", "run::"];
const KEPT: &[&str] = &["test", "-p", "raincheck-client", "--test", "it", "unexpected"];
const TROUBLE: &[&str] = &["test", "-p", "raincheck-client", "--test", "it", "trouble"];
const PAGES: &[&str] = &["test", "-p", "raincheck", "--test", "it", "pages"];
const GREEDY: &[&str] = &["test", "-p", "raincheck", "--test", "it", "greedy"];
const DRAIN: &[&str] = &["test", "-p", "raincheck", "--test", "it", "drain"];
const GONE: &[&str] = &["test", "-p", "raincheck", "--test", "it", "gone"];

const CHANGES: &str = "raincheck-store/src/sqlite/writer/changes.rs";
const FACTS: &str = "raincheck-store/src/sqlite/writer/facts.rs";
const CONNECTION: &str = "raincheck-store/src/sqlite/connection.rs";
const WRITER: &str = "raincheck-store/src/sqlite/writer/transaction.rs";
const PURGE: &str = "raincheck-store/src/sqlite/writer/purge.rs";
const STEADY: &str = "raincheck-core/src/steady.rs";
const SETTLE: &str = "raincheck-core/src/decide/settle.rs";

/// All but those of the feed and of PostgreSQL.
pub const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "objects-without-version",
        fault: "a named object is replaced whatever its version",
        edits: &[Edit {
            file: "raincheck-core/src/interpreter/object.rs",
            from: "    if !put.expected.holds(found.as_ref()) {",
            to: "    if put.expected == crate::Expected::Absent && found.is_some() {",
        }],
        killer: Killer::Tests(CORE),
    },
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
        name: "complete-without-attempt",
        fault: "a finish is accepted from any attempt of a running job",
        edits: &[Edit {
            file: SETTLE,
            from: "job.state != State::Running || job.attempt != attempt {\n        let same",
            to: "job.state != State::Running {\n        let same",
        }],
        killer: Killer::Tests(CORE),
    },
    Mutant {
        name: "sweeper-without-deadline",
        fault: "the sweep ends a run although a heartbeat came since it looked",
        edits: &[Edit {
            file: "raincheck-core/src/interpreter/settle.rs",
            from: "if held.overdue != Some(overdue) {",
            to: "if held.overdue != Some(overdue) && overdue != Overdue::Lost {",
        }],
        killer: Killer::Tests(STORE),
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
        name: "gap-not-granted",
        fault: "what the server slept through is taken for silence of its workers",
        edits: &[
            Edit {
                file: STEADY,
                from: "idle: beats.idle + gap, awake: 0 }",
                to: "idle: beats.idle, awake: Millis::MAX }",
            },
            Edit { file: STEADY, from: "            beats.idle += stood_still;\n", to: "" },
            Edit { file: STEADY, from: "if stood_still > 0 || beats.last.is_none()", to: "if beats.last.is_none()" },
        ],
        killer: Killer::Campaign("pause", 2),
    },
    Mutant {
        name: "clock-followed-back",
        fault: "time goes back with the machine's clock",
        edits: &[
            Edit { file: STEADY, from: "ahead.min(passed / CLOCK_NEARS_BY)", to: "ahead" },
            Edit {
                file: STEADY,
                from: "Timestamp(self.latest.fetch_max(at, Ordering::AcqRel).max(at))",
                to: "Timestamp(at)",
            },
        ],
        killer: Killer::Campaign("clock", 2),
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
        killer: Killer::Tests(STORE),
    },
    Mutant {
        name: "purge-unfinished",
        fault: "a person may purge a job that is not finished",
        edits: &[
            Edit {
                file: "raincheck-core/src/interpreter/mod.rs",
                from: "if !decide::may_purge(&job) {",
                to: "if job.no.0 == 0 {",
            },
            Edit { file: PURGE, from: "AND state=?2 AND state>\", RUNNING]", to: "AND state=?2 AND state>\", \"-1\"]" },
        ],
        killer: Killer::Tests(STORE),
    },
    Mutant {
        name: "running-not-forgotten",
        fault: "what the writer keeps of running jobs outlives a transaction that was taken back",
        edits: &[Edit { file: WRITER, from: "        self.running.clear();\n", to: "" }],
        killer: Killer::Tests(STORE),
    },
    Mutant {
        name: "batch-unseen",
        fault: "the jobs of one submit do not see the names that those before them took",
        edits: &[Edit {
            file: "raincheck-core/src/interpreter/submit.rs",
            from: "                facts.claim = Fact::Here(*claim);\n",
            to: "                let _ = claim;\n",
        }],
        killer: Killer::Tests(CORE),
    },
    Mutant {
        name: "half-a-batch",
        fault: "a refused submit keeps the jobs before the refused one",
        edits: &[Edit {
            file: "raincheck-core/src/interpreter/submit.rs",
            from: "return Ok(Reply::Refused(done.len(), refusal).into())",
            to: "return Ok(Carried { changes, more, reply: Reply::Refused(done.len(), refusal) })",
        }],
        killer: Killer::Tests(CORE),
    },
    Mutant {
        name: "losses-not-counted",
        fault: "a job that kills its workers is handed out for ever",
        edits: &[Edit { file: SETTLE, from: "draft.job.losses += 1;", to: "" }],
        killer: Killer::Tests(CORE),
    },
    Mutant {
        name: "losses-count-twice",
        fault: "a loss that counts as a failed attempt counts as a loss in a row, too",
        edits: &[Edit {
            file: SETTLE,
            from: "draft.job.failures += 1;\n        draft.job.failures >= draft.job.max_attempts",
            to: "(draft.job.failures, draft.job.losses) = (draft.job.failures + 1, draft.job.losses + 1);\n        draft.job.failures >= draft.job.max_attempts",
        }],
        killer: Killer::Tests(CORE),
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
        name: "lists-without-bound",
        fault: "a list is read to its end before its elements are counted",
        edits: &[Edit {
            file: "raincheck-http/src/wire/read.rs",
            from: "while all.len() < MOST {",
            to: "while all.len() < usize::MAX {",
        }],
        killer: Killer::Campaign("greedy-caller", 1),
    },
    Mutant {
        name: "bodies-without-room",
        fault: "bodies that are under way take next to nothing of the room there is for them",
        edits: &[Edit {
            file: "raincheck-http/src/room.rs",
            from: "u32::try_from(size.div_ceil(UNIT)).map_err",
            to: "u32::try_from(size / UNIT / UNIT).map_err",
        }],
        killer: Killer::Campaign("greedy-caller", 1),
    },
    Mutant {
        name: "unread-megabytes",
        fault: "the system takes megabytes for somebody who reads nothing",
        edits: &[Edit {
            file: "raincheck-http/src/serve.rs",
            from: "set_tcp_notsent_lowat(UNSENT_BYTES)",
            to: "set_tcp_notsent_lowat(UNSENT_BYTES << 9)",
        }],
        killer: Killer::Tests(GREEDY),
    },
    Mutant {
        name: "half-is-whole",
        fault: "who closes half of its connection is taken for gone",
        edits: &[Edit { file: "raincheck-http/src/accept.rs", from: ".half_close(true)", to: ".half_close(false)" }],
        killer: Killer::Tests(GONE),
    },
    Mutant {
        name: "escape-off",
        fault: "one cell of the job's page shows text unescaped",
        edits: &[Edit {
            file: "raincheck-http/src/pages/job.rs",
            from: "\"<dt>{name}</dt><dd>{}</dd>\", escape(value))",
            to: "\"<dt>{name}</dt><dd>{}</dd>\", value)",
        }],
        killer: Killer::Tests(PAGES),
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
        name: "environment-is-inherited",
        fault: "a program gets all that stands in its server's environment",
        edits: &[Edit {
            file: "raincheck-client/src/run/command/environment.rs",
            from: "to.env_clear().envs(",
            to: "to.envs(",
        }],
        killer: Killer::Tests(ENVIRONMENT),
    },
    Mutant {
        name: "gap-unsaid",
        fault: "a log that is over its limit does not say what is missing",
        edits: &[Edit {
            file: "raincheck-client/src/run/outgoing.rs",
            from: "self.put(format!(\"{before}[… {} bytes left out …]\\n\", self.left_out).as_bytes());",
            to: "self.put(before.as_bytes());",
        }],
        killer: Killer::Tests(RUN),
    },
    Mutant {
        name: "links-followed",
        fault: "a program's link in the place of its result leads the worker anywhere",
        edits: &[Edit {
            file: "raincheck-client/src/run/command/left.rs",
            from: "match statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {",
            to: "match statat(directory, name, AtFlags::empty()) {",
        }],
        killer: Killer::Tests(RUN),
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
    Mutant {
        name: "hand-over-in-memory",
        fault: "a lease that was handed over has its old length after a restart",
        edits: &[Edit {
            file: "raincheck-core/src/decide/lease.rs",
            from: "let longer = Job { ttl, ..job };",
            to: "let longer = job;",
        }],
        killer: Killer::Tests(&["test", "-p", "raincheck-store", "--test", "it", "a_hand_over_outlives_a_restart"]),
    },
    Mutant {
        name: "patterns-wake-nobody",
        fault: "a job wakes only those who wait for its kind by name",
        edits: &[Edit {
            file: "raincheck-engine/src/waiting.rs",
            from: "self.by_pattern.iter().filter(|(pattern, _)| pattern.matches(kind))",
            to: "self.by_pattern.iter().filter(|(pattern, _)| pattern.as_str() == kind.as_str())",
        }],
        killer: Killer::Tests(ENGINE),
    },
    Mutant {
        name: "drain-hears-no-ends",
        fault: "a server that is told to stop does not hear how the runs of its workers end",
        edits: &[Edit {
            file: "raincheck/src/cli/serve/server.rs",
            from: "timeout_at(until, self.engine.runs_over())",
            to: "timeout_at(until, std::future::ready(()))",
        }],
        killer: Killer::Tests(DRAIN),
    },
    Mutant {
        name: "lost-goes-behind",
        fault: "a job whose run was lost goes behind all that were queued meanwhile",
        edits: &[Edit {
            file: SETTLE,
            from: "let state = draft.back(moment);",
            to: "let state = draft.wait(0, moment);",
        }],
        killer: Killer::Tests(CORE),
    },
    Mutant {
        name: "own-trouble-fails",
        fault: "what keeps a worker from running a job is a failed attempt of the job",
        edits: &[Edit {
            file: "raincheck-client/src/run/outcome.rs",
            from: "true => Self::Trouble(error.in_full()),",
            to: "true => Self::retry(\"cannot-run\", \"\", error.in_full()),",
        }],
        killer: Killer::Campaign("broken-worker", 2),
    },
    Mutant {
        name: "failure-not-doubted",
        fault: "a program that failed where nothing could be run fails its job",
        edits: &[Edit {
            file: "raincheck-client/src/run/command/mod.rs",
            from: "health::check(&self.plan).map(|()| Outcome::Fail(failure))",
            to: "Ok(Outcome::Fail(failure))",
        }],
        killer: Killer::Tests(TROUBLE),
    },
    Mutant {
        name: "answer-for-any-job",
        fault: "a kept program's answer counts for whatever job it is asked about",
        edits: &[Edit {
            file: "raincheck-client/src/run/command/lines.rs",
            from: "if (job.as_str(), attempt) != (asked.job, asked.attempt) {",
            to: "if asked.job.is_empty() {",
        }],
        killer: Killer::Tests(KEPT),
    },
];
