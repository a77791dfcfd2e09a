//! What a route lets its caller do, by which it is given to some and not to others.

/// Each route has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Ask whether the process lives: for anybody, under any `Host`, as a probe knows neither.
    Open,
    /// See what is for everybody who may do anything at all: pages, descriptions, whether the server is ready.
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
