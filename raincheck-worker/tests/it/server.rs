//! A server in memory, and a host whose runs are closures.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use raincheck_worker::{
    Answer, Ask, Beat, Controls, Ending, Host, Over, Run, Stop, Transport, TransportError, Verdict,
};
use tokio::sync::watch;

/// A lease and its key are the number of the job.
#[derive(Clone, Default)]
pub struct Server(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: watch::Sender<()>,
}

#[derive(Default)]
pub struct State {
    pub queued: VecDeque<u32>,
    pub running: BTreeSet<u32>,
    pub most_running: usize,
    pub canceled: BTreeSet<u32>,
    pub ends: Vec<(u32, End)>,
    /// Whose end it does not take among others.
    pub refuses: Option<u32>,
    /// Handed in by themselves.
    pub alone: Vec<u32>,
    /// What a question that is dropped leased.
    pub in_vain: Option<u32>,
    pub asks: usize,
    pub is_away: bool,
    pub progress: Vec<(u32, u32)>,
    pub troubles: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum End {
    Done(u32),
    Failed(String),
    Released,
}

#[derive(Debug)]
pub struct Away;

impl fmt::Display for Away {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("away")
    }
}

impl TransportError for Away {
    fn is_transient(&self) -> bool {
        true
    }
}

impl Server {
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap()
    }

    pub fn change<T>(&self, change: impl FnOnce(&mut State) -> T) {
        change(&mut self.state());
        self.0.changed.send_replace(());
    }

    pub fn submit(&self, jobs: std::ops::Range<u32>) {
        self.change(|state| state.queued.extend(jobs));
    }

    /// Resolves when `holds`, which is what `what` says.
    pub async fn until(&self, what: &str, holds: impl Fn(&State) -> bool) {
        let mut changed = self.0.changed.subscribe();
        let come = async {
            while !holds(&self.state()) {
                changed.changed().await.unwrap();
            }
        };
        tokio::time::timeout(crate::PATIENCE, come).await.unwrap_or_else(|_| panic!("waited in vain: {what}"));
    }
}

impl State {
    fn end(&mut self, job: u32, end: End) {
        self.running.remove(&job);
        self.ends.push((job, end));
    }
}

impl Transport for Server {
    type Lease = u32;
    type Key = u32;
    type Progress = u32;
    type End = (u32, End);
    type Error = Away;

    const WATCH_AGE: Duration = Duration::from_millis(1);

    fn key(lease: &u32) -> u32 {
        *lease
    }

    fn beats_every(_: &u32) -> Duration {
        Duration::from_secs(1)
    }

    fn given_back(key: u32, _: Option<Duration>) -> (u32, End) {
        (key, End::Released)
    }

    fn end_bytes(_: &(u32, End)) -> usize {
        1
    }

    fn progress_bytes(_: &u32) -> usize {
        4
    }

    async fn lease(&self, ask: &Ask<(u32, End)>) -> Result<Answer<Self>, Away> {
        let mut changed = self.0.changed.subscribe();
        self.change(|state| state.asks += 1);
        if self.state().is_away {
            return Err(Away);
        }
        let mut refused = Vec::new();
        self.change(|state| {
            state.troubles.extend(ask.trouble.clone());
            for (job, end) in ask.ends.clone() {
                match state.refuses == Some(job) {
                    true => refused.push((job, end)),
                    false => state.end(job, end),
                }
            }
        });
        while ask.wait.is_some() && self.state().queued.is_empty() {
            changed.changed().await.unwrap();
        }
        let mut leases = Vec::new();
        self.change(|state| {
            let most = ask.max.min(state.queued.len());
            leases.extend(state.queued.drain(..most));
            state.running.extend(&leases);
            state.most_running = state.most_running.max(state.running.len());
        });
        Ok(Answer { leases, refused, drain: false })
    }

    async fn leased_in_vain(&self, _: Ask<(u32, End)>) -> Vec<u32> {
        self.state().in_vain.take().into_iter().collect()
    }

    async fn heartbeat(&self, beats: &[Beat<Self>], wait: Option<Duration>) -> Result<Vec<(u32, Verdict)>, Away> {
        let mut changed = self.0.changed.subscribe();
        self.change(|state| {
            state.progress.extend(beats.iter().filter_map(|beat| Some((beat.key, beat.progress?))));
        });
        loop {
            let verdict = |job: u32| match &*self.state() {
                state if !state.running.contains(&job) => Verdict::Lost,
                state if state.canceled.contains(&job) => Verdict::Cancel,
                _ => Verdict::GoOn,
            };
            let verdicts: Vec<_> = beats.iter().map(|beat| (beat.key, verdict(beat.key))).collect();
            if wait.is_none() || verdicts.iter().any(|(_, verdict)| *verdict != Verdict::GoOn) {
                return Ok(verdicts);
            }
            changed.changed().await.unwrap();
        }
    }

    async fn settle(&self, (job, end): (u32, End)) {
        self.change(|state| {
            state.alone.push(job);
            state.end(job, end);
        });
    }
}

type Work = Pin<Box<dyn Future<Output = End> + Send>>;

/// Runs a closure for each job.
pub struct Runs {
    work: Box<dyn Fn(u32, Stop) -> Work + Send + Sync>,
    reports: bool,
    in_trouble: bool,
}

impl Runs {
    pub fn new<F: Future<Output = End> + Send + 'static>(
        work: impl Fn(u32, Stop) -> F + Send + Sync + 'static,
    ) -> Self {
        let work: Box<dyn Fn(u32, Stop) -> Work + Send + Sync> = Box::new(move |job, stop| Box::pin(work(job, stop)));
        Self { work, reports: false, in_trouble: false }
    }

    /// Each says that it is half done.
    pub fn with_progress(self) -> Self {
        Self { reports: true, ..self }
    }

    /// Their failures are the worker's own.
    pub fn in_trouble(self) -> Self {
        Self { in_trouble: true, ..self }
    }
}

impl Host for Runs {
    type Transport = Server;
    type Run = OneRun;

    fn begin(&self, job: u32, controls: Controls<Server>) -> Option<OneRun> {
        let work = (self.work)(job, controls.stop.clone());
        if self.reports {
            controls.progress.put(50);
        }
        Some(OneRun { job, work: Some(work), in_trouble: self.in_trouble })
    }

    async fn ready(&self) -> Result<(), String> {
        Ok(())
    }

    fn stops_within(&self) -> Duration {
        Duration::ZERO
    }
}

pub struct OneRun {
    job: u32,
    work: Option<Work>,
    in_trouble: bool,
}

impl Run<Server> for OneRun {
    type Outcome = End;

    fn job(&self) -> String {
        self.job.to_string()
    }

    async fn work(&mut self) -> End {
        self.work.take().unwrap().await
    }

    fn stops_within(&self) -> Duration {
        Duration::from_millis(100)
    }

    fn outcome(&self, over: Over<End>) -> End {
        match over {
            Over::Returned(end) => end,
            Over::Panicked(what) => End::Failed(format!("panic: {what}")),
            Over::Dropped => End::Failed("dropped".into()),
        }
    }

    async fn end(&mut self, end: End) -> Ending<(u32, End)> {
        match end {
            End::Failed(what) if self.in_trouble => Ending::Trouble(what),
            end => Ending::HandIn { end: (self.job, end), went_well: true },
        }
    }
}
