//! Advisory locks that several places know of; each of the others stands where it is taken.

/// Held, shared, by every transaction of a writer: who gets it alone knows that none of them has any table.
pub(crate) const WRITERS_LOCK: i64 = 8_241_990_467_025;
/// Class of the lock that every transaction holds under its own number: who gets it knows that it has ended.
pub(crate) const BATCH_LOCK: i32 = 0x7261_696e;
/// Class of the lock that every transaction of a node's writer shares under the node's number: who gets it alone knows that
/// none is under way.
pub(crate) const NODE_LOCK: i32 = 0x7261_6e6f;

/// Class of the lock that every transaction holds under the ids of its lease requests: one of the same id waits for it, and
/// finds what it was given.
pub(crate) const REQUEST_LOCK: i32 = 0x7261_6e71;

/// Ends the connections that hold an advisory lock of two numbers. Not those that wait for a standby: what they wrote is
/// committed here, and ending them would only take back the promise that it is there as well.
pub(crate) fn end_holders(class: i32, number: &str) -> String {
    format!(
        "SELECT pg_terminate_backend(l.pid) FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid \
         WHERE l.locktype = 'advisory' AND l.granted AND l.classid = {class} AND l.objid = {number} AND l.objsubid = 2 \
         AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
         AND l.pid <> pg_backend_pid() AND pg_has_role(a.usesysid, 'USAGE') \
         AND a.wait_event IS DISTINCT FROM 'SyncRep'"
    )
}
