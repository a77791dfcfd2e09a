//! What the rules decided, written down.

use std::sync::atomic::Ordering;

use raincheck_core::interpreter::BatchClaim;
use raincheck_core::{Change, Job, JobNo, Spec, State, decide};
use rusqlite::params;

use super::purge;
use super::state::{LeaseChange, WriterState};
use crate::codec;
use crate::sqlite::error::{Result, SqliteError};
use crate::sqlite::tables::claims::{self, Place};
use crate::sqlite::tables::{chunks, events, objects, rows};

impl WriterState<'_> {
    /// Writes what the rules decided; answers the files that nobody refers to any more.
    pub(super) fn apply_changes(&mut self, changes: Vec<Change>) -> Result<Vec<Box<str>>> {
        // A rule that is wrong must not be written down: the transaction is given up, and counted.
        let seq = decide::check_changes(&changes).map_err(SqliteError::refused)?;
        let mut blobs = Vec::new();
        for change in changes {
            match change {
                Change::Insert(job, spec) => self.insert(&job, &spec)?,
                Change::Update { state, attempt, job } => self.update(state, attempt, seq, job)?,
                Change::Claim { scope, key, no, fingerprint } => {
                    let Some(job) = self.job(no)? else { continue };
                    let queue = self.shared.names.queue_number(job.queue.as_str()).unwrap_or_default();
                    claims::put(self.db, Place::of(scope, queue), &key, no, &fingerprint)?;
                }
                Change::ClaimBatch { id, jobs, fingerprint } => {
                    let Some(no) = jobs.last().copied() else { continue };
                    claims::put_batch(self.db, id.as_bytes(), no, &BatchClaim { jobs, fingerprint })?;
                }
                Change::Event(mut event) => {
                    self.cursor += 1;
                    event.cursor.0 = self.cursor;
                    events::insert(self.statements.insert_event.get()?, &event)?;
                    self.events.push(event);
                }
                Change::Result(no, result) => {
                    rows::insert_result(self.db, self.statements.insert_result.get()?, no, &result)?;
                }
                Change::Failure(no, failure) => {
                    let text = codec::failure_text(&failure)?;
                    self.report(
                        "INSERT INTO report (no, failure) VALUES (?1,?2) ON CONFLICT DO UPDATE SET failure=?2",
                        no,
                        &text,
                    )?;
                }
                Change::Progress(no, progress) => {
                    let text = codec::progress_text(&progress)?;
                    self.report(
                        "INSERT INTO report (no, progress) VALUES (?1,?2) ON CONFLICT DO UPDATE SET progress=?2",
                        no,
                        &text,
                    )?;
                }
                Change::Piece(piece) => {
                    chunks::insert(self.db, &piece)?;
                    let grown = (piece.place.no, piece.place.kind);
                    if self.chunks.last() != Some(&grown) {
                        self.chunks.push(grown);
                    }
                }
                Change::Settings(name, settings) => {
                    self.found_none = None;
                    let number = self.shared.names.queues.write().intern(&name);
                    self.counters.queue(number).settings = settings;
                }
                Change::Put { replaced, object } => objects::put(self.db, replaced, &object)?,
                Change::Delete { kind, name, version } => objects::delete(self.db, kind, &name, version)?,
                Change::Forget(job) => blobs.extend(purge::purge(self, &job)?),
                Change::Erase(no) => purge::erase(self.db, no)?,
                Change::Extend(lease, ttl) => self.leases.push(LeaseChange::Extend(lease, ttl)),
                Change::AskToStop(lease) => self.leases.push(LeaseChange::AskToStop(lease)),
                Change::EndLease(lease) => self.leases.push(LeaseChange::End(lease)),
                Change::FollowUp(follow_up) => self.follow_ups.name(follow_up),
            }
        }
        Ok(blobs)
    }

    fn report(&self, sql: &str, no: JobNo, text: &str) -> Result<()> {
        self.db.prepare_cached(sql)?.execute(params![no.0, text])?;
        Ok(())
    }

    fn insert(&mut self, job: &Job, spec: &Spec) -> Result<()> {
        let (queue, kind) = self.shared.names.numbers(&job.queue, &job.kind);
        rows::insert_job(self.statements.insert_job.get()?, job, queue, kind)?;
        rows::insert_spec(self.db, self.statements.insert_spec.get()?, job.no, spec)?;
        self.counters.queue(queue).tickets = job.ticket;
        self.counters.moved(queue, kind, None, Some(job.state));
        let due = [(job.state == State::Scheduled).then_some(job.run_at), job.start_by];
        for at in due.into_iter().flatten() {
            self.shared.next_due.fetch_min(at.0, Ordering::AcqRel);
        }
        Ok(())
    }

    fn update(&mut self, state: State, attempt: u32, seq: u32, job: Box<Job>) -> Result<()> {
        if !rows::update_job(self.statements.update_job.get()?, &job, (state, attempt, seq))? {
            // One writer, facts read in this transaction: this cannot be, and must not be written if it is.
            return Err(SqliteError::refused("a job is not as it was read"));
        }
        let names = &self.shared.names;
        let queue = names.queue_number(job.queue.as_str()).unwrap_or_default();
        let kind = names.kind_number(job.kind.as_str()).unwrap_or_default();
        if attempt == 0 && state.is_waiting() && !job.state.is_waiting() {
            self.counters.queue(queue).served += 1;
        }
        self.counters.moved(queue, kind, Some(state), Some(job.state));
        if job.state == State::Scheduled {
            self.shared.next_due.fetch_min(job.run_at.0, Ordering::AcqRel);
        }
        if let Some(at) = job.expires_at {
            self.shared.next_expiry.fetch_min(at.0, Ordering::AcqRel);
        }
        self.running.note(job);
        Ok(())
    }
}
