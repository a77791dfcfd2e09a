//! The mutants of what follows from decisions.

use super::mutant::{Edit, Killer, Mutant};

const OF_SQLITE: &[&str] = &["test", "-p", "raincheck-store", "--test", "it", "on_sqlite::conformance::follow"];
const OF_POSTGRES: &[&str] = &["test", "-p", "raincheck-store", "--test", "it", "on_postgres::conformance::follow"];
const TESTS: &[&str] = &["test", "-p", "raincheck-store", "--test", "it", "follow::all"];
const NODES: &[&str] = &["test", "-p", "raincheck-store", "--test", "it", "follow::nodes"];

const WRITER: &str = "raincheck-store/src/sqlite/writer/transaction.rs";
const ON_SQLITE: &str = "raincheck-store/src/sqlite/tables/follow_ups.rs";
const ON_POSTGRES: &str = "raincheck-store/src/postgres/writer/follow.rs";

/// Of both stores.
pub const OF_FOLLOW_UPS: &[Mutant] = &[
    Mutant {
        name: "follow-ups-dropped",
        fault: "what follows from a decision is not carried out",
        edits: &[Edit {
            file: "raincheck-store/src/sqlite/writer/changes.rs",
            from: "Change::FollowUp(follow_up) => self.follow_ups.name(follow_up),",
            to: "Change::FollowUp(_) => {}",
        }],
        killer: Killer::Tests(OF_SQLITE),
    },
    Mutant {
        name: "follow-ups-apart",
        fault: "what follows from a decision is carried out in a transaction of its own",
        edits: &[
            Edit {
                file: WRITER,
                from: "        self.follow().and_then(|()| self.leave_over()).map_err(|e| (e, Vec::new()))?;\n",
                to: "",
            },
            Edit {
                file: WRITER,
                from: "        self.statements.commit.run().map_err(|e| (e.into(), Vec::new()))?;\n",
                to: "        self.statements.commit.run().map_err(|e| (e.into(), Vec::new()))?;\n        \
                     self.statements.begin.run().map_err(SqliteError::from).and_then(|()| self.follow()).map_err(|e| (e, Vec::new()))?;\n        \
                     self.leave_over().map_err(|e| (e, Vec::new()))?;\n        \
                     self.counters.flush(self.db, &self.shared.names).map_err(|e| (e.into(), Vec::new()))?;\n        \
                     self.statements.commit.run().map_err(|e| (e.into(), Vec::new()))?;\n",
            },
        ],
        killer: Killer::Tests(TESTS),
    },
    Mutant {
        name: "rest-forgotten",
        fault: "what follows and is too much for a transaction is forgotten",
        edits: &[Edit { file: ON_SQLITE, from: "VALUES (?1, ?2)", to: "SELECT ?1, ?2 WHERE false" }],
        killer: Killer::Tests(OF_SQLITE),
    },
    Mutant {
        name: "follow-ups-dropped-on-postgresql",
        fault: "on PostgreSQL what follows from a decision is not carried out",
        edits: &[Edit {
            file: "raincheck-store/src/postgres/writer/batch.rs",
            from: "Change::FollowUp(follow_up) => self.follow_ups.name(follow_up),",
            to: "Change::FollowUp(_) => {}",
        }],
        killer: Killer::Tests(OF_POSTGRES),
    },
    Mutant {
        name: "follow-ups-apart-on-postgresql",
        fault: "on PostgreSQL all that follows is left over to a transaction of its own",
        edits: &[Edit {
            file: ON_POSTGRES,
            from: "if job(&command).is_some_and(|no| busy.contains(&no)) {",
            to: "if !self.swept || job(&command).is_some_and(|no| busy.contains(&no)) {",
        }],
        killer: Killer::Tests(OF_POSTGRES),
    },
    Mutant {
        name: "rest-forgotten-on-postgresql",
        fault: "on PostgreSQL what follows and is too much for a transaction is forgotten",
        edits: &[Edit {
            file: ON_POSTGRES,
            from: "unnest($1::smallint[], $2::bigint[])\"",
            to: "unnest($1::smallint[], $2::bigint[]) WHERE false\"",
        }],
        killer: Killer::Tests(OF_POSTGRES),
    },
    Mutant {
        name: "follow-ups-wait-on-postgresql",
        fault: "on PostgreSQL what follows waits for jobs that other nodes are at, out of their order",
        edits: &[Edit {
            file: ON_POSTGRES,
            from: "ORDER BY j.no FOR UPDATE SKIP LOCKED",
            to: "ORDER BY j.no FOR UPDATE",
        }],
        killer: Killer::Tests(NODES),
    },
];
