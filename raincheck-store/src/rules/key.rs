//! Rows in the order of their keys, a page at a time: the next page begins behind the last key of the one before.

/// What is said of rows whose keys do not grow: damaged pages give them again and again, in a circle.
pub(crate) const CIRCLE: &str = "its pages lead in a circle: rows that were read come again";

/// Goes on to the next key; `false` where that is not behind the last one, and reading on would never end.
pub(crate) fn forward<K: PartialOrd>(last: &mut K, next: K) -> bool {
    let is_behind = next > *last;
    *last = next;
    is_behind
}
