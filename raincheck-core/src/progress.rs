use bytes::Bytes;

/// How far a run has come, as its worker tells it. The latest report wins.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Progress {
    /// 0 to 100.
    pub percent: Option<f64>,
    /// Units of work done, whatever the worker counts in.
    pub current: Option<u64>,
    /// Units of work in all, counted as `current`.
    pub total: Option<u64>,
    /// A line for people.
    pub message: Option<Box<str>>,
    /// Anything else, as JSON text of at most [`crate::limits::PROGRESS_DATA_BYTES`].
    pub data: Option<Bytes>,
}

impl Progress {
    /// About how much there is of it, bytes.
    pub fn weight(&self) -> usize {
        self.message.as_ref().map_or(0, |text| text.len()) + self.data.as_ref().map_or(0, Bytes::len)
    }
}
