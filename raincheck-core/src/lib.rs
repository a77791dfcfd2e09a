//! Words and rules of Raincheck.
