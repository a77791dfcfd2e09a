//! One run, as its runner sees it: the job, its input, and the ways to say something while it runs.

use std::{any::Any, fs::File, io::Write as _, path::Path, sync::Arc};

use bytes::{Bytes, BytesMut};
use raincheck_worker::Backoff;
use serde::de::DeserializeOwned;

use super::{
    Stop, StopReason,
    append::{Append, Target},
    parts::TaskParts,
};
use crate::{
    Error,
    api::{Job, Progress, RawJson},
    aside::aside,
};

/// Broken connections in a row after which reading an input is given up.
const INPUT_TRIES: u32 = 5;
/// So much of it is written to a file at once; in bytes.
const WRITE_MIN: usize = 256 * 1024;

/// A run. Clones are the same run.
#[derive(Clone)]
pub struct Task {
    parts: Arc<TaskParts>,
}

impl Task {
    pub(crate) fn new(parts: Arc<TaskParts>) -> Self {
        Self { parts }
    }

    /// The job.
    #[must_use]
    pub fn job(&self) -> &Job {
        &self.parts.lease.job
    }

    /// Which run of the job this is, from 1.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.parts.lease.attempt
    }

    /// W3C trace context of the submit.
    #[must_use]
    pub fn traceparent(&self) -> Option<&str> {
        self.parts.lease.traceparent.as_deref()
    }

    /// What tracing systems say beside [`Task::traceparent`]: the `tracestate` of W3C Trace Context.
    pub fn tracestate(&self) -> Option<&str> {
        self.parts.lease.tracestate.as_deref()
    }

    /// The input's text, when it came with the lease: small JSON does.
    #[must_use]
    pub fn input_json(&self) -> Option<&RawJson> {
        self.job().input.as_ref()
    }

    /// The whole input in memory; no bytes when there is none.
    ///
    /// # Errors
    /// Any of a request's.
    pub async fn input(&self) -> Result<Bytes, Error> {
        if let Some(json) = self.input_json() {
            return Ok(Bytes::copy_from_slice(json.get().as_bytes()));
        }
        if self.job().input_href.is_none() {
            return Ok(Bytes::new());
        }
        self.fetched(|| self.read_input()).await
    }

    /// The input read from JSON.
    ///
    /// # Errors
    /// [`Error::Json`] when it has another shape.
    pub async fn input_as<T: DeserializeOwned>(&self) -> Result<T, Error> {
        Ok(serde_json::from_slice(&self.input().await?)?)
    }

    /// Writes the input to a new file, without holding it in memory, and answers its media type.
    ///
    /// # Errors
    /// Any of a request's, and [`Error::Io`].
    pub async fn input_to(&self, path: &Path) -> Result<Option<String>, Error> {
        let failed = |source| Error::io(format!("cannot write the input to {}", path.display()), source);
        if let Some(json) = self.input_json() {
            // Small, so that a thread to do it in would cost more.
            std::fs::write(path, json.get()).map_err(failed)?;
            return Ok(Some(self.job().content_type.clone().unwrap_or_else(|| "application/json".into())));
        }
        if self.job().input_href.is_none() {
            File::create(path).map_err(failed)?;
            return Ok(self.job().content_type.clone());
        }
        self.fetched(|| self.copy_input(path)).await
    }

    /// The input, tried again where that may help. While the worker drains nobody is waited for.
    async fn fetched<T, F: Future<Output = Result<T, Error>>>(&self, fetch: impl Fn() -> F) -> Result<T, Error> {
        let (mut failures, mut backoff) = (0, Backoff::default());
        loop {
            match fetch().await {
                Err(error) if error.is_transient() && failures < INPUT_TRIES && !self.parts.draining.is_cancelled() => {
                    failures += 1;
                    tokio::select! {
                        () = backoff.pause(&error) => {}
                        () = self.parts.draining.cancelled() => {}
                    }
                }
                other => return other.inspect_err(|error| self.parts.cannot_have_input(error)),
            }
        }
    }

    /// Says how far it is. At most five a second are sent; the latest wins. Numbers out of range are brought into it,
    /// and `data` over 4 KiB is left out.
    pub fn progress(&self, progress: Progress) {
        self.parts.progress.put(progress.acceptable());
    }

    /// Writes a line to the job's log. Never waits: what is too far ahead of the server is left out, and the log says
    /// how much. Over its limit a log keeps its beginning and its end.
    pub fn log(&self, line: &str) {
        let newline = if line.ends_with('\n') { "" } else { "\n" };
        self.log_bytes(Bytes::from(format!("{line}{newline}")));
    }

    /// Writes to the job's log as [`Task::log`] does, byte for byte.
    pub fn log_bytes(&self, bytes: Bytes) {
        self.log_now(&bytes);
    }

    /// As [`Task::log_bytes`], of bytes that are somebody else's.
    pub(crate) fn log_now(&self, bytes: &[u8]) {
        self.parts.log.get_or_init(|| self.append(Target::Log)).push(bytes);
    }

    /// Resolves when the log has room for more, or when there is no use in waiting for it.
    pub(crate) async fn log_ready(&self) {
        if let Some(log) = self.parts.log.get() {
            log.ready().await;
        }
    }

    /// Appends to what the caller sees while the job runs, as UTF-8 text; waits while the server is behind. A stream
    /// over its limit ends the run with a failure.
    pub async fn stream(&self, bytes: impl Into<Bytes>) {
        self.stream_as("text/plain; charset=utf-8", bytes).await;
    }

    /// As [`Task::stream`], of any media type; the first one given stays.
    pub async fn stream_as(&self, content_type: &str, bytes: impl Into<Bytes>) {
        self.open_stream(content_type).write(&bytes.into()).await;
    }

    /// Resolves when the stream has room for more, or when there is no use in waiting for it.
    pub(crate) async fn stream_ready(&self) {
        if let Some(stream) = self.parts.stream.get() {
            stream.ready().await;
        }
    }

    /// As [`Task::stream_as`], without waiting.
    pub(crate) fn stream_now(&self, content_type: &str, bytes: &[u8]) {
        self.open_stream(content_type).push(bytes);
    }

    /// The largest result that the server takes, in bytes.
    #[must_use]
    pub fn result_bytes_max(&self) -> u64 {
        self.parts.lease.limits.result_bytes
    }

    /// Resolves when the run should stop.
    pub async fn stopped(&self) -> StopReason {
        self.parts.stop.ordered().await
    }

    /// The order to stop, to look at or pass on.
    #[must_use]
    pub fn stop(&self) -> &Stop {
        &self.parts.stop
    }

    /// Keeps `guard` (a temporary directory that holds the result, for example) until the outcome is delivered.
    pub fn keep_until_delivered(&self, guard: impl Any + Send) {
        self.parts.keep(Box::new(guard));
    }

    fn append(&self, target: Target) -> Append {
        Append::start(self.parts.client.clone(), &self.parts.lease, target, self.parts.stop.clone())
    }

    fn open_stream(&self, content_type: &str) -> &Append {
        self.parts.stream.get_or_init(|| self.append(Target::Stream(content_type.to_owned())))
    }

    async fn read_input(&self) -> Result<Bytes, Error> {
        let mut input = self.parts.client.input(&self.parts.lease.lease).await?;
        let mut whole = BytesMut::new();
        while let Some(chunk) = input.chunk().await? {
            whole.extend_from_slice(&chunk);
        }
        Ok(whole.freeze())
    }

    async fn copy_input(&self, path: &Path) -> Result<Option<String>, Error> {
        let failed = |source| Error::io(format!("cannot write the input to {}", path.display()), source);
        let file = Arc::new(File::create(path).map_err(failed)?);
        let write = |bytes: BytesMut| {
            let file = file.clone();
            aside(move || (&*file).write_all(&bytes))
        };
        let mut input = self.parts.client.input(&self.parts.lease.lease).await?;
        let mut bytes = BytesMut::new();
        while let Some(chunk) = input.chunk().await? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() >= WRITE_MIN {
                write(bytes.split()).await.map_err(failed)?;
            }
        }
        write(bytes).await.map_err(failed)?;
        Ok(input.content_type)
    }
}
