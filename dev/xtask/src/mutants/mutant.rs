//! What a mutant is.

/// A fault on purpose.
pub struct Mutant {
    pub name: &'static str,
    pub fault: &'static str,
    pub edits: &'static [Edit],
    pub killer: Killer,
}

/// Text that stands exactly once in a file, and what the mutant puts there.
pub struct Edit {
    pub file: &'static str,
    pub from: &'static str,
    pub to: &'static str,
}

/// What must fail.
#[derive(Clone, Copy, PartialEq)]
pub enum Killer {
    /// `cargo …`
    Tests(&'static [&'static str]),
    /// A torture campaign with so many loops.
    Campaign(&'static str, u32),
}
