//! The Raincheck program.
fn main() {}
