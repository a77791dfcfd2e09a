//! Who may cause which event, and what callers may be answered.

use raincheck_core::{Command, Event, EventData, EventType, Failure, FailureCode, LeaseJobs, Outcome, Reply, State};

use super::{Checker, Done, Verdict, Violation, demand};

impl Checker {
    /// An event, and the command that caused it.
    pub(super) fn event(&mut self, event: &Event, cause: &Command) -> Verdict {
        let no = event.no;
        let before = self.lives.get(&no).map(|life| (life.lease(), life.state, life.stopping));
        let run = before.filter(|(_, state, _)| *state == State::Running).map(|(lease, ..)| lease);
        let allowed = match (cause, &event.data) {
            (Command::Lease(request), EventData::Started { worker }) => *worker == request.worker,
            (Command::Lease(_) | Command::Expire(_), EventData::Failed(failure)) => {
                failure.code == FailureCode::Expired
            }
            (Command::Settle(settle), data) => {
                demand!(run == Some(settle.lease), no, "settled by {:?}, but running is {run:?}", settle.lease);
                let stopping = before.is_some_and(|(.., stopping)| stopping);
                settles(&settle.outcome, data, stopping)
            }
            (Command::Progress(lease, _), EventData::Progress(_)) => run == Some(*lease),
            (Command::Cancel(cancel), EventData::Canceled | EventData::CancelRequested) => {
                let shared = self.lives.get(&no).is_some_and(|life| life.shared > 1);
                cancel.no == no && (cancel.force || !shared)
            }
            (Command::RunNow(asked, _), EventData::Queued) => *asked == no,
            (Command::Promote(_), EventData::Queued) => {
                let early = self.lives.get(&no).is_some_and(|life| life.not_before > self.now);
                demand!(!early, no, "queued before its time");
                true
            }
            _ => false,
        };
        demand!(allowed, no, "{cause:?} caused {event:?}");
        self.step(event)?;
        if let Command::Lease(request) = cause
            && event.state == State::Running
        {
            self.started(event, request)?;
        }
        if let Command::Settle(settle) = cause {
            self.waits(event, &settle.outcome)?;
        }
        let Some(life) = self.lives.get(&no) else { return Ok(()) };
        let over = match (cause, &event.data) {
            (Command::Settle(settle), _) if settle.outcome == Outcome::Lost => {
                demand!(
                    life.time_until > self.ticks,
                    no,
                    "lost, though it ran for longer than it may: until {}",
                    life.time_until
                );
                life.deadline <= self.ticks
            }
            (Command::Settle(settle), _) if settle.outcome == Outcome::TimedOut => life.time_until <= self.ticks,
            _ => true,
        };
        demand!(over, no, "a run was ended at {} though its lease lasts until {}", self.ticks, life.deadline);
        let given_up =
            matches!(&event.data, EventData::Failed(Failure { code: FailureCode::Failed | FailureCode::Timeout, .. }));
        if given_up && life.failures < life.row.max_attempts {
            let hopeless =
                matches!(cause, Command::Settle(s) if matches!(s.outcome, Outcome::Fail { retryable: false, .. }));
            demand!(hopeless, no, "given up after {} of {} failures", life.failures, life.row.max_attempts);
        }
        Ok(())
    }

    /// A run that goes back waits as long as it should.
    fn waits(&mut self, event: &Event, outcome: &Outcome) -> Verdict {
        let (no, now) = (event.no, self.now);
        let Some(life) = self.lives.get_mut(&no) else { return Ok(()) };
        let expected = match (outcome, &event.data) {
            (Outcome::Release { delay }, EventData::Released) => {
                life.not_before = now.plus(*delay);
                let waits = *delay > 0;
                demand!(waits == (event.state == State::Scheduled), no, "given back for {delay} ms: {:?}", event.state);
                return Ok(());
            }
            (Outcome::Fail { retry_after: Some(after), .. }, EventData::Retrying { .. }) => *after,
            (Outcome::Fail { .. } | Outcome::TimedOut, EventData::Retrying { .. }) if !life.retry.jitter => {
                let grown = life.retry.initial as f64 * life.retry.factor.powf(f64::from(life.failures - 1));
                (grown as i64).min(life.retry.max)
            }
            _ => return Ok(()),
        };
        let waits = life.not_before.since(now);
        demand!(waits == expected, no, "waits {waits} ms after failure {}, not {expected}", life.failures);
        Ok(())
    }

    /// First come, first served: whoever waits longer and is not less urgent goes first.
    fn in_turn(&self, event: &Event) -> Verdict {
        // Rows are those from before this transaction: who came into the line within it is not looked at.
        let Some(life) = self.lives.get(&event.no).filter(|life| life.row.seq + 1 == life.seq) else { return Ok(()) };
        let passed = self.lives.values().find(|other| {
            other.state == State::Queued
                && other.row.seq == other.seq
                && other.queued.0 == life.queued.0
                && other.queued.1 < life.queued.1
                && other.row.priority >= life.row.priority
                // Queued in the same millisecond: by number.
                && (other.row.rank, other.row.priority) != (life.row.rank, life.row.priority)
                && (&other.row.queue, &other.row.kind) == (&life.row.queue, &life.row.kind)
        });
        let passed = passed.map(|other| other.row.no);
        demand!(passed.is_none(), event.no, "went before {passed:?}, which waits longer and is as urgent");
        Ok(())
    }

    fn started(&mut self, event: &Event, request: &LeaseJobs) -> Verdict {
        let (no, now, ticks) = (event.no, self.now, self.ticks);
        self.in_turn(event)?;
        let Some(life) = self.lives.get_mut(&no) else { return Ok(()) };
        life.deadline = ticks + request.ttl;
        life.time_until = ticks + life.row.timeout;
        let late = life.attempt == 1 && life.row.start_by.is_some_and(|by| by <= now);
        demand!(!late, no, "started after its start_by");
        demand!(
            request.wants(&life.row.queue, &life.row.kind),
            no,
            "handed to a worker that did not ask for it: {request:?}"
        );
        let (queue, kind) = (&self.counts.queues[&life.row.queue], &self.counts.kinds[&life.row.kind]);
        demand!(!queue.settings.paused, no, "leased from a paused queue");
        demand!(!queue.over_cap() && !kind.over_cap(), no, "more run than may: {queue:?} {kind:?}");
        Ok(())
    }

    /// The answer fits what happened.
    pub(super) fn answer(&mut self, done: &Done) -> Verdict {
        let wrote = !done.events.is_empty();
        let (command, reply) = (&done.command, &done.reply);
        let fits = match (command, reply) {
            (Command::Lease(request), Reply::Leased(leased)) => {
                let starts = done.events.iter().filter(|event| event.data.event_type() == EventType::Started).count();
                let again = request.request_id.is_some() && starts == 0;
                for (job, _) in leased {
                    let runs = self.lives.get(&job.no).is_some_and(|life| life.runs(job.attempt));
                    demand!(runs, job.no, "handed out though it does not run: {job:?}");
                }
                again || starts == leased.len() && leased.len() <= request.max
            }
            (Command::Settle(settle), Reply::Job(job)) => match &settle.outcome {
                Outcome::Complete(_) => (job.state, job.attempt) == (State::Succeeded, settle.lease.attempt),
                Outcome::Lost | Outcome::TimedOut => true,
                Outcome::Fail { .. } | Outcome::Release { .. } => wrote,
            },
            (Command::Settle(_), Reply::LeaseLost(_) | Reply::Gone) => !wrote,
            (Command::Progress(..), Reply::Job(_)) => wrote,
            (Command::Progress(..), Reply::LeaseLost(_) | Reply::Gone) => !wrote,
            (Command::Extend(lease, ttl), Reply::Job(job)) => {
                let live = self.lives.get_mut(&lease.no).filter(|life| life.runs(lease.attempt));
                if let Some(life) = live.filter(|life| life.row.ttl < *ttl) {
                    (life.row.ttl, life.deadline) = (*ttl, self.ticks + ttl);
                }
                !wrote && job.is_on(*lease) && job.ttl >= *ttl
            }
            (Command::Extend(..), Reply::TooLong(_) | Reply::LeaseLost(_) | Reply::Gone) => !wrote,
            (Command::Append(_), Reply::Appended(_) | Reply::Full | Reply::LeaseLost(_) | Reply::Gone) => !wrote,
            (Command::Cancel(_), Reply::Job(job)) => wrote || job.cancel_requested || job.state == State::Canceled,
            (Command::Cancel(_), Reply::Finished(_) | Reply::Shared(_) | Reply::Gone) => !wrote,
            (Command::RunNow(..), Reply::Job(_)) => wrote,
            (Command::RunNow(..), Reply::NotWaiting(_) | Reply::Gone) => !wrote,
            (Command::Purge(no), Reply::Purged(_)) => !wrote && done.gone == [*no],
            (Command::Purge(_), Reply::NotFinished(_) | Reply::Gone) => !wrote,
            (Command::SetQueue(name, patch), Reply::Queue(reply)) => {
                let kept = &mut self.counts.queues.entry(name.clone()).or_default().settings;
                kept.paused = patch.paused.unwrap_or(kept.paused);
                kept.max_queued = patch.max_queued.unwrap_or(kept.max_queued);
                kept.concurrency = patch.concurrency.unwrap_or(kept.concurrency);
                !wrote && kept == reply
            }
            (Command::Put(put), Reply::Put { object, is_new }) => !wrote && self.counts.put(put, object, *is_new),
            (Command::Put(put), Reply::OtherVersion(reply)) => {
                !wrote && self.counts.differs(put.kind, &put.name, put.expected, reply.as_ref())
            }
            (Command::Delete(gone), Reply::OtherVersion(reply)) => {
                !wrote && self.counts.differs(gone.kind, &gone.name, gone.expected, reply.as_ref())
            }
            (Command::Delete(gone), Reply::Deleted) => {
                !wrote && self.counts.delete(gone.kind, &gone.name, gone.expected)
            }
            (Command::Delete(gone), Reply::Gone) => !wrote && self.counts.lacks(gone.kind, &gone.name),
            (Command::Promote(most) | Command::Expire(most), Reply::Swept(n, _)) => {
                *n == done.events.len() && n <= most
            }
            (Command::CatchUp(most), Reply::Swept(n, _)) => !wrote && done.gone.is_empty() && n <= most,
            (Command::PurgeExpired(most) | Command::DropTombstones(most), Reply::Swept(n, _)) => {
                !wrote && *n == done.gone.len() && n <= most
            }
            (Command::Trim(trim), Reply::Swept(n, _)) => !wrote && done.gone.is_empty() && *n <= trim.limit,
            _ => false,
        };
        if !fits {
            let job = super::names(command);
            return Err(Violation {
                job,
                what: format!("{command:?} was answered {reply:?} and wrote {:?}", done.events),
            });
        }
        Ok(())
    }
}

/// Whether a run that ends so may be told so.
fn settles(outcome: &Outcome, data: &EventData, stopping: bool) -> bool {
    match (outcome, data) {
        (Outcome::Complete(_), EventData::Succeeded) => true,
        (Outcome::Complete(_), _) => false,
        (_, EventData::Canceled) => stopping,
        (Outcome::Fail { retryable, .. }, EventData::Retrying { .. }) => !stopping && *retryable,
        (Outcome::Fail { .. }, EventData::Failed(_)) => !stopping,
        (Outcome::TimedOut, EventData::Retrying { failure, .. } | EventData::Failed(failure)) => {
            !stopping && failure.code == FailureCode::Timeout
        }
        (Outcome::Release { .. }, EventData::Released) => !stopping,
        (Outcome::Lost, EventData::Lost { .. }) => !stopping,
        (Outcome::Lost, EventData::Failed(failure)) => !stopping && failure.code == FailureCode::Lost,
        _ => false,
    }
}
