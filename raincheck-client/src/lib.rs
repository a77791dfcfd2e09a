//! Client and worker runtime for Raincheck.
