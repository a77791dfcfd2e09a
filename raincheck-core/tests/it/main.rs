//! The rules as tables, and what must hold after any sequence of them.

mod batch;
mod check_changes;
mod control;
mod feed;
mod fingerprint;
mod follow;
mod fuzz;
mod interpreter;
mod lease;
mod make;
mod object;
mod pattern;
mod place;
mod resolve;
mod settle;
mod submit;
mod sweep;
mod walk;
