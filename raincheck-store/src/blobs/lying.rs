use std::time::SystemTime;

/// Something that lies there.
#[derive(Debug)]
pub(crate) struct Lying {
    pub name: Box<str>,
    /// Its size, bytes.
    pub size: u64,
    /// When it was last written to, by the clock of where it lies; `None` where that is not known.
    pub written: Option<SystemTime>,
    /// Not one that was left half written, or is still being written.
    pub finished: bool,
}
