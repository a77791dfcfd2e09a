//! What a route lets its caller do, by which it is given to some and not to others.

/// Each route has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// See what tells nothing of anybody: whether the process lives and is ready, what problems mean, styles and scripts. For
    /// anybody, under any `Host`, as a probe knows neither.
    Open,
    /// See what is for everybody who may do anything at all: the description of the API, and that a path is none.
    Any,
    /// Submit jobs, and read a job whose id is known.
    Submit,
    /// Read everything that there is: lists, the feed and its readers, logs, queues, kinds, workers, metrics.
    Read,
    /// Lease jobs and say how their runs go and end.
    Work,
    /// Change jobs of others, and queues.
    Admin,
}
