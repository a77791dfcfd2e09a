//! What a migration makes is there for something: each table and column is written and read, each index finds rows. And
//! the two stores hold the same, but for what is listed here.

mod migration;
mod texts;
mod tokens;
mod uses;

use crate::graph::Source;

use super::file::File;
use migration::{Table, tables};

const STORES: [&str; 2] = ["sqlite", "postgres"];
const CRATE: &str = "raincheck-store/src/";
/// It speaks to both databases at once, and proves the life of nothing: what is only moved is not needed.
const MIGRATE: &str = "raincheck-store/src/migrate.rs";
/// The behavior suite.
const SUITE: &str = "raincheck-store/src/conformance/";

/// Tables and columns of one store alone, and why.
const ALONE: &[(&str, &str, &str)] = &[
    ("sqlite", "meta.value", "a column takes values of any type"),
    ("postgres", "meta.number", "a column has one type"),
    ("postgres", "meta.bytes", "a column has one type"),
    ("sqlite", "queue.tickets", "only one process counts"),
    ("sqlite", "queue.served", "only one process counts"),
    ("postgres", "counter.node", "each node counts for itself, and tickets are among the counters"),
    ("sqlite", "job.random_bits", "what the number of a job does not say of its id"),
    ("sqlite", "job.client_id", "an id that somebody chose"),
    ("postgres", "job.id", "a uuid has a type of its own, which is as narrow"),
    ("sqlite", "event.cursor", "one process gives the cursors"),
    ("postgres", "event.batch", "a cursor is known only at the commit"),
    ("postgres", "event.idx", "a cursor is known only at the commit"),
    ("postgres", "feed", "a cursor is known only at the commit"),
    ("sqlite", "lease_request.leases", "there are no arrays: they are packed into one value"),
    ("postgres", "lease_request.nos", "an array"),
    ("postgres", "lease_request.attempts", "an array"),
    ("sqlite", "chunk.offset", "the word is a keyword of PostgreSQL, so it is `start` there"),
    ("postgres", "chunk.start", "`offset` is a keyword"),
    ("postgres", "blob.swept_at", "another node may be about to refer to it"),
    ("postgres", "node", "only one process serves a folder"),
    ("postgres", "life", "only one process grants leases, and it knows when it lived"),
    ("postgres", "lease", "leases are in the memory of the one process that grants them"),
    ("postgres", "partition", "there are none"),
    ("postgres", "history", "a database may be put back while nodes serve it; a folder may not"),
];

pub fn complaints(files: &[File], sources: &[Source]) -> Vec<String> {
    checked(files, sources, ALONE)
}

fn checked(files: &[File], sources: &[Source], alone: &[(&str, &str, &str)]) -> Vec<String> {
    let made = STORES.map(|store| {
        let folder = format!("{CRATE}{store}/migrations/");
        tables(files.iter().filter(|file| file.path.starts_with(&folder) && file.ends(".sql")))
    });
    match made {
        [Ok(sqlite), Ok(postgres)] => {
            let mut complaints = dead("sqlite", &sqlite, sources);
            complaints.extend(dead("postgres", &postgres, sources));
            complaints.extend(differences(&sqlite, &postgres, alone));
            complaints
        }
        failed => failed.into_iter().filter_map(Result::err).collect(),
    }
}

/// What the code of a store does nothing with.
fn dead(store: &str, tables: &[Table], sources: &[Source]) -> Vec<String> {
    let other = STORES.map(|store| format!("{CRATE}{store}/"));
    let own = |source: &&Source| {
        let path = &source.path;
        path.starts_with(&format!("{CRATE}{store}/"))
            || path.starts_with(CRATE)
                && path != MIGRATE
                && !path.starts_with(SUITE)
                && !other.iter().any(|it| path.starts_with(it))
    };
    let texts: Vec<_> = sources.iter().filter(own).map(texts::texts).collect();
    let uses = uses::uses(tables, &texts);
    let mut complaints = Vec::new();
    for table in tables {
        let name = &table.name;
        let mut missing = Vec::new();
        missing.extend((!uses.read.contains(name)).then_some("reads"));
        missing.extend((!table.is_filled && !uses.written.contains(name)).then_some("writes"));
        if !missing.is_empty() {
            complaints.push(format!("{}: no SQL {} the table {name}; remove it", table.place, missing.join(" or ")));
            continue;
        }
        for column in &table.columns {
            let full = format!("{name}.{}", column.name);
            let mut missing = Vec::new();
            missing.extend((!uses.read.contains(&full)).then_some("reads"));
            missing.extend((!column.is_made && !uses.written.contains(&full)).then_some("writes"));
            if !missing.is_empty() {
                complaints.push(format!("{}: no SQL {} {full}; remove it", column.place, missing.join(" or ")));
            }
        }
        for index in table.indexes.iter().filter(|index| !index.is_unique) {
            let unused = index.words.iter().find(|word| !uses.found_by.contains(&format!("{name}.{word}")));
            if let Some(word) = unused {
                let at = &index.place;
                complaints.push(format!("{at}: no SQL looks for {name}.{word}; remove the index {}", index.name));
            }
        }
    }
    complaints
}

/// What only one of the stores has and no exception names, and exceptions that are none.
fn differences(sqlite: &[Table], postgres: &[Table], alone: &[(&str, &str, &str)]) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut left: Vec<_> = alone.iter().map(|(store, what, _)| (*store, *what)).collect();
    for (store, ours, theirs) in [("sqlite", sqlite, postgres), ("postgres", postgres, sqlite)] {
        let mut only = |place: &str, what: &str| {
            let before = left.len();
            left.retain(|known| *known != (store, what));
            if left.len() == before {
                complaints.push(format!(
                    "{place}: only {store} has {what}; say why in ALONE of tidy/schema, or give the other store the same"
                ));
            }
        };
        for table in ours {
            let Some(other) = theirs.iter().find(|other| other.name == table.name) else {
                only(&table.place, &table.name);
                continue;
            };
            for column in table.columns.iter().filter(|column| !other.has(&column.name)) {
                only(&column.place, &format!("{}.{}", table.name, column.name));
            }
        }
    }
    let stale =
        left.iter().map(|(store, what)| format!("tidy/schema: {what} is not in {store} alone; drop the exception"));
    complaints.extend(stale);
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::parsed;
    use crate::tidy::file::file;

    const BOTH: &str = "CREATE TABLE job (\n no int,\n at int\n);\nCREATE INDEX job_at ON job (at);\n";
    const CODE: &str = "const A: &str = \"INSERT INTO job VALUES ($1, $2)\";
        const B: &str = \"SELECT no FROM job WHERE at < $1\";";

    fn found(sqlite: &str, postgres: &str, code: &str, alone: &[(&str, &str, &str)]) -> Vec<String> {
        let path = |store: &str| format!("{CRATE}{store}/migrations/V1__a.sql");
        let files = [file(&path("sqlite"), sqlite), file(&path("postgres"), postgres)];
        let source =
            |store: &str| parsed(&format!("{CRATE}{store}/a.rs"), vec![store.to_owned()], code).expect("it is Rust");
        checked(&files, &[source("sqlite"), source("postgres")], alone)
    }

    #[test]
    fn what_is_used_in_both_is_no_fault() {
        assert_eq!(found(BOTH, BOTH, CODE, &[]), Vec::<String>::new());
    }

    #[test]
    fn what_is_dead_is_named_with_its_line() {
        let more = BOTH.replace("at int", "at int,\n old int") + "CREATE TABLE past (no int);\n";
        let said = found(&more, &more, CODE, &[]);
        let at = |store: &str, rest: &str| format!("{CRATE}{store}/migrations/V1__a.sql:{rest}");
        let of = |store: &str| {
            // An INSERT without a list writes all columns.
            [
                at(store, "4: no SQL reads job.old; remove it"),
                at(store, "7: no SQL reads or writes the table past; remove it"),
            ]
        };
        assert_eq!(said, [of("sqlite"), of("postgres")].concat());
        let unfound = found(BOTH, BOTH, &CODE.replace("WHERE at < $1", "WHERE no < at"), &[]);
        assert_eq!(unfound, Vec::<String>::new());
        let unfound = found(BOTH, BOTH, &CODE.replace("no FROM job WHERE at < $1", "no, at FROM job"), &[]);
        assert_eq!(unfound[0], at("sqlite", "5: no SQL looks for job.at; remove the index job_at"));
    }

    #[test]
    fn what_one_store_has_alone_needs_a_reason_and_a_reason_needs_it() {
        let more = BOTH.replace("at int", "at int,\n id int");
        let code = CODE.replace("SELECT no", "SELECT id, no");
        assert_eq!(found(&more, BOTH, &code, &[]).len(), 1);
        assert_eq!(found(&more, BOTH, &code, &[("sqlite", "job.id", "why")]), Vec::<String>::new());
        assert_eq!(found(BOTH, BOTH, &code, &[("sqlite", "job.id", "why")]).len(), 1);
    }
}
