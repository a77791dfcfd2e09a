//! Every store passes the suite of every store; what is one store's own alone stands in a file of its name.
#![allow(clippy::unwrap_used, reason = "tests, helpers included, fail by panicking")]

mod anothers;
mod backup;
#[cfg(feature = "s3")]
mod bucket;
mod damage;
mod doctor;
mod encryption;
mod filters;
mod findings;
mod folder;
mod follow;
mod foreign;
mod history;
mod lease_requests;
mod moved;
mod nodes;
mod orphans;
mod partitions;
mod postgres;
mod silence;
mod site;
mod sqlite;
mod straddle;
mod stranger;
mod trimmed;

mod on_sqlite {
    raincheck_store::conformance_tests!(crate::folder::Folder::new);
}

mod on_postgres {
    raincheck_store::conformance_tests!(crate::postgres::Base::new);
}
