//! The store on SQLite passes the suite of every store; what is its own alone stands in `sqlite.rs`.

mod backup;
mod doctor;
mod folder;
mod sqlite;

raincheck_store::conformance_tests!(folder::Folder::new);
