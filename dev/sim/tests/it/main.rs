//! The simulation finds what is wrong, and nothing else is.

mod machine;
mod reference;
mod worlds;
