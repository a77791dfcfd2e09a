//! The mutants of PostgreSQL.

use super::mutant::{Edit, Killer, Mutant};

const FEED: &[&str] = &["test", "-p", "raincheck-store", "--test", "it", "nodes::the_feed"];
const FAILOVER: &[&str] = &["test", "-p", "raincheck", "--test", "it", "failover"];

const COMMIT: &str = "raincheck-store/src/postgres/writer/commit.rs";
const CONNECT: &str = "raincheck-store/src/postgres/connection/connector.rs";
const FLUSH: &str = "raincheck-store/src/postgres/writer/flush.rs";
const HISTORY: &str = "raincheck-store/src/postgres/history/meet.rs";

/// Those of one store of the two.
pub const ON_POSTGRES: &[Mutant] = &[
    Mutant {
        name: "object-of-another-node",
        fault: "on PostgreSQL a named object that another node has made meanwhile counts as made",
        edits: &[Edit {
            file: "raincheck-store/src/postgres/writer/objects.rs",
            from: "if written == expected as u64 { Ok(()) }",
            to: "if written <= expected as u64 { Ok(()) }",
        }],
        killer: Killer::Tests(&["test", "-p", "raincheck-store", "--test", "it", "nodes::a_named_object"]),
    },
    Mutant {
        name: "batch-of-another-node",
        fault: "on PostgreSQL a request id that another node has claimed meanwhile counts as claimed",
        edits: &[Edit {
            file: FLUSH,
            from: "if written == chosen.len() as u64 { Ok(()) }",
            to: "if written <= chosen.len() as u64 { Ok(()) }",
        }],
        killer: Killer::Tests(&["test", "-p", "raincheck-store", "--test", "it", "nodes::duplicates_of_a_batch"]),
    },
    Mutant {
        name: "batch-claim-not-written",
        fault: "on PostgreSQL the request id of a batch is not written down",
        edits: &[Edit {
            file: "raincheck-store/src/postgres/writer/batch.rs",
            from: "jobs: Some(jobs), write: ClaimWrite::Insert }",
            to: "jobs: Some(jobs), write: ClaimWrite::None }",
        }],
        killer: Killer::Tests(&["test", "-p", "raincheck-store", "--test", "it", "on_postgres::conformance::batches"]),
    },
    Mutant {
        name: "batch-of-any-content-on-postgres",
        fault: "on PostgreSQL a request id answers the jobs of its batch whatever is asked for under it",
        edits: &[Edit {
            file: "raincheck-store/src/postgres/writer/apply.rs",
            from: "let facts = self.batch_facts(&name.id);",
            to: "let mut facts = self.batch_facts(&name.id);\n                \
                 if let Fact::Here(claim) = &mut facts.claim { claim.fingerprint = name.fingerprint; }",
        }],
        killer: Killer::Tests(&["test", "-p", "raincheck-store", "--test", "it", "on_postgres::conformance::batches"]),
    },
    Mutant {
        name: "naive-cursor",
        fault: "on PostgreSQL a place in the feed is a number of a sequence, given before the commit",
        edits: &[
            Edit { file: COMMIT, from: "\"SELECT pg_advisory_xact_lock(8241990467021)\"", to: "\"SELECT 1\"" },
            Edit {
                file: COMMIT,
                from: "INSERT INTO feed SELECT pos + 1, $1, last + 1, last + $2,",
                to: "INSERT INTO feed SELECT $1::bigint, $1, $1 * 100000, $1 * 100000 + $2 - 1,",
            },
        ],
        killer: Killer::Tests(FEED),
    },
    Mutant {
        name: "dead-node-writes",
        fault: "on PostgreSQL a node that counts as dead goes on under its number",
        edits: &[Edit {
            file: "raincheck-store/src/postgres/writer/transaction.rs",
            from: "EXISTS (SELECT FROM node WHERE number = $1 AND token = $2)",
            to: "true OR EXISTS (SELECT FROM node WHERE number = $1 AND token = $2)",
        }],
        killer: Killer::Tests(&["test", "-p", "raincheck-store", "--test", "it", "silence::what"]),
    },
    Mutant {
        name: "orphan-by-look",
        fault: "an orphan is removed after a look, and its name stays free",
        edits: &[
            Edit {
                file: "raincheck-store/src/postgres/orphans.rs",
                from: "FROM unnest($1::text[]) AS name ORDER BY 1",
                to: "FROM unnest($1::text[]) AS name WHERE false ORDER BY 1",
            },
            Edit {
                file: "raincheck-store/src/postgres/orphans.rs",
                from: "\"SELECT name FROM blob WHERE name = ANY($1) AND no = 0\"",
                to: "\"SELECT unnest($1::text[])\"",
            },
        ],
        killer: Killer::Campaign("silent-node", 8),
    },
    Mutant {
        name: "gap-not-granted-on-postgresql",
        fault: "leases end while nobody could renew any",
        edits: &[Edit {
            file: "raincheck-store/src/postgres/node/life.rs",
            from: "if shared.clock.time == Time::Given { i64::MAX } else { silence };",
            to: "i64::MAX.max(silence);",
        }],
        killer: Killer::Tests(&["test", "-p", "raincheck-store", "--test", "it", "silence::leases"]),
    },
    Mutant {
        name: "leases-of-any-size-on-postgresql",
        fault: "one lease request is given all inputs that there are",
        edits: &[Edit {
            file: "raincheck-store/src/postgres/writer/ready.rs",
            from: "if jobs.len() <= FEW {",
            to: "if jobs.len() <= 100 * FEW {",
        }],
        killer: Killer::Tests(&["test", "-p", "raincheck-store", "--test", "it", "inputs_end_a_request"]),
    },
    Mutant {
        name: "names-outlive-history",
        fault: "numbers of names are kept although the database has another history",
        edits: &[Edit {
            file: HISTORY,
            from: "        self.names.queues.clear();\n        self.names.kinds.clear();\n        \
                   self.reread_names(db).await?;\n",
            to: "",
        }],
        killer: Killer::Tests(FAILOVER),
    },
    Mutant {
        name: "history-ignored",
        fault: "another server, or less than was known, begins no other history",
        edits: &[Edit {
            file: HISTORY,
            from: "if lacks || !server.is_named {",
            to: "if lacks && server.is_named && known.is_empty() {",
        }],
        // Others of them would never end.
        killer: Killer::Tests(&["test", "-p", "raincheck", "--test", "it", "failover::lost::what_"]),
    },
    Mutant {
        name: "standby-asked",
        fault: "a standby is asked what became of a commit",
        edits: &[
            Edit {
                file: "raincheck-store/src/postgres/connection/connector.rs",
                from: "config.target_session_attrs(TargetSessionAttrs::ReadWrite);",
                to: "config.target_session_attrs(TargetSessionAttrs::Any);",
            },
            Edit {
                file: "raincheck-store/src/postgres/writer/reconnect.rs",
                from: "                self.shared.meet(db.client()).await?;\n",
                to: "",
            },
        ],
        killer: Killer::Tests(FAILOVER),
    },
    Mutant {
        name: "cut-short-believed",
        fault: "a commit counts as done whose wait for the standby somebody ended",
        edits: &[Edit {
            file: "raincheck-store/src/postgres/connection/db.rs",
            from: "if self.client.was_warned() { Err(PgError::CutShort) } else { Ok(()) }",
            to: "Ok(())",
        }],
        killer: Killer::Tests(FAILOVER),
    },
    Mutant {
        name: "sessions-not-pinned",
        fault: "sessions follow what the server is told while they are open: commits wait for nothing",
        edits: &[Edit {
            file: CONNECT,
            from: "client.batch_execute(&self.greeting()).await?;",
            to: "let _ = self.greeting();",
        }],
        killer: Killer::Tests(FAILOVER),
    },
    Mutant {
        name: "another-store-served",
        fault: "a node serves whatever store its address leads to",
        edits: &[Edit {
            file: CONNECT,
            from: "        let Some(ours) = self.remarks.store.get() else { return PINS.to_owned() };\n",
            to: "        let Some(ours) = self.remarks.store.get().filter(|_| false) else { return PINS.to_owned() };\n",
        }],
        killer: Killer::Tests(FAILOVER),
    },
    Mutant {
        name: "servers-straddled",
        fault: "each connection of a node is to the first server that takes writes",
        edits: &[Edit {
            file: CONNECT,
            from: "        self.anchor.take(&server, purpose, driver.task.abort_handle())?;\n",
            to: "        let _ = (server, purpose, driver.task.abort_handle());\n",
        }],
        killer: Killer::Tests(&["test", "-p", "raincheck-store", "--test", "it", "straddle"]),
    },
];
