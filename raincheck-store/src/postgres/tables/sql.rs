//! Pieces of SQL that statements of several places share.

/// The highest number of a job that is known, in SQL.
pub(crate) const LAST_JOB: &str = "SELECT greatest((SELECT max(no) FROM job), (SELECT max(no) FROM tombstone), \
    (SELECT number FROM meta WHERE name = 'last_dropped'), 0)";
/// The cursor of the last event, in SQL.
pub(crate) const LAST_CURSOR: &str = "(SELECT last FROM feed ORDER BY pos DESC LIMIT 1)";
/// The least and the greatest number of a job among the events that the next statement looks through, where the last of
/// those transactions ends, and how many they are: events may have been forgotten out of any of them.
pub(crate) const RANGE: &str = "SELECT min(low), max(high), max(last), count(*) FROM \
    (SELECT low, high, last FROM feed WHERE last>$1 AND last>=first AND first<=$2 ORDER BY last LIMIT $3) f";
/// The cursor up to which the feed is trimmed, in SQL: up to there nothing is left but events of jobs that are there.
pub(crate) const TRIMMED: &str = "coalesce((SELECT number FROM meta WHERE name='feed_trimmed'), 0)";
/// What the events of forgotten jobs above that take, bytes, in SQL.
pub(crate) const FORGOTTEN_BYTES: &str = "coalesce((SELECT number FROM meta WHERE name='feed_forgotten_bytes'), 0)";
/// The number of the last round in which names were forgotten, in SQL.
pub(crate) const NAMES_ROUND: &str = "coalesce((SELECT number FROM meta WHERE name = 'names_forgotten'), 0)";
