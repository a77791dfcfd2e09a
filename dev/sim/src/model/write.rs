//! Carries out what the rules decided, each write guarded as a database would.

use raincheck_core::interpreter::BatchClaim;
use raincheck_core::{Change, Event, EventData, Job, JobNo, Spec, State};

use super::disk::{Claim, QueueRow};
use super::{LeaseChange, Model, Stop};

fn refuse(wrong: bool, what: impl FnOnce() -> String) -> Result<(), Stop> {
    if wrong { Err(Stop::Refused(what())) } else { Ok(()) }
}

impl Model {
    pub(super) fn apply_changes(&mut self, changes: Vec<Change>) -> Result<(), Stop> {
        for change in changes {
            // Leases are in memory; a purge has effects of its own.
            match change {
                Change::Extend(..)
                | Change::AskToStop(_)
                | Change::EndLease(_)
                | Change::FollowUp(_)
                | Change::Forget(_) => {}
                _ => self.effect()?,
            }
            match change {
                Change::Insert(job, spec) => self.insert(*job, *spec)?,
                Change::Update { state, attempt, job } => self.update(state, attempt, *job)?,
                Change::Claim { scope, key, no, fingerprint } => {
                    let Some(job) = self.disk.jobs.get(no) else { continue };
                    let Some(claim) = Claim::of(scope, &job.queue, &key) else { continue };
                    self.claim(claim, no, fingerprint)?;
                }
                Change::ClaimBatch { id, jobs, fingerprint } => {
                    self.claim_batch(&id, BatchClaim { jobs, fingerprint })?;
                }
                Change::Event(mut event) => {
                    let at = (event.no, event.seq);
                    let twice = self.disk.events.get(&at).is_some();
                    refuse(twice, || format!("event {} of {:?} is there", event.seq, event.no))?;
                    self.cursor += 1;
                    event.cursor.0 = self.cursor;
                    self.disk.feed.set(self.cursor, at);
                    self.disk.events.set(at, event.clone());
                    self.events.push(event);
                }
                Change::Result(no, result) => {
                    let twice = self.disk.results.get(&no).is_some();
                    refuse(twice, || format!("{no:?} has a result already"))?;
                    self.disk.results.set(no, result);
                }
                Change::Failure(no, failure) => self.disk.failures.set(no, failure),
                Change::Progress(no, progress) => self.disk.progress.set(no, progress),
                Change::Piece(piece) => {
                    let mut kept = self.disk.chunks.get(&piece.place).cloned().unwrap_or_default();
                    kept.part = piece.part();
                    kept.bytes.push(piece.bytes);
                    self.disk.chunks.set(piece.place, kept);
                }
                Change::Settings(name, settings) => {
                    let row = self.disk.queues.get(&name).cloned().unwrap_or_default();
                    self.disk.queues.set(name, QueueRow { settings, ..row });
                }
                Change::Put { replaced, object } => {
                    let at = (object.kind, object.name.clone());
                    let found = self.disk.objects.get(&at).map(|found| found.version);
                    refuse(found != replaced, || format!("version {found:?} where {replaced:?} was expected"))?;
                    self.disk.objects.set(at, object);
                }
                Change::Delete { kind, name, version } => {
                    let found = self.disk.objects.remove(&(kind, name)).map(|found| found.version);
                    refuse(found != Some(version), || format!("version {found:?} where {version} was expected"))?;
                }
                Change::Forget(job) => self.purge(&job)?,
                Change::Erase(no) => self.erase(no),
                Change::Extend(lease, ttl) => self.lease_changes.push(LeaseChange::Extend(lease, ttl)),
                Change::AskToStop(lease) => self.lease_changes.push(LeaseChange::AskToStop(lease)),
                Change::EndLease(lease) => self.lease_changes.push(LeaseChange::End(lease)),
                Change::FollowUp(follow_up) => self.name(follow_up),
            }
        }
        Ok(())
    }

    /// What the events of a job that is forgotten held is not told in any case; here it is not kept, either.
    fn erase(&mut self, no: JobNo) {
        let events: Vec<_> = self.disk.events.range((no, 0)..=(no, u32::MAX)).map(|(_, event)| event.clone()).collect();
        for event in events {
            let data = EventData::Gone(event.data.event_type());
            self.disk.events.set((no, event.seq), Event { data, ..event });
        }
    }

    fn insert(&mut self, job: Job, spec: Spec) -> Result<(), Stop> {
        refuse(self.disk.jobs.get(job.no).is_some(), || format!("{:?} is there", job.no))?;
        self.disk.specs.set(job.no, spec);
        let mut queue = self.disk.queues.get(&job.queue).cloned().unwrap_or_default();
        queue.tickets = job.ticket;
        self.disk.queues.set(job.queue.clone(), queue);
        self.disk.jobs.put(job);
        Ok(())
    }

    /// The write must find `state` and `attempt` as the rules saw them.
    fn update(&mut self, state: State, attempt: u32, job: Job) -> Result<(), Stop> {
        let found = self.disk.jobs.get(job.no).map(|row| (row.state, row.attempt));
        refuse(found != Some((state, attempt)), || {
            format!("{found:?} where {state:?}, {attempt} was expected: {job:?}")
        })?;
        if attempt == 0 && state.is_waiting() && !job.state.is_waiting() {
            let mut queue = self.disk.queues.get(&job.queue).cloned().unwrap_or_default();
            queue.served += 1;
            self.disk.queues.set(job.queue.clone(), queue);
        }
        self.disk.jobs.put(job);
        Ok(())
    }
}
