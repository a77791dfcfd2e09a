//! The rules as tables, and what must hold after any sequence of them.

mod fuzz;
mod interpreter;
mod lawful;
mod make;
mod pattern;
mod settle;
mod steer;
mod submit;
mod sweep;
mod walk;
