//! Every limit and default in one place, each with its unit in its name.

mod http;
mod names;
mod runs;
mod store;

pub use http::*;
pub use names::*;
pub use runs::*;
pub use store::*;
