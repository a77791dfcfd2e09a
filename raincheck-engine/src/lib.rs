//! Use cases and loops of Raincheck.
