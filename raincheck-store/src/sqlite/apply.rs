use std::sync::atomic::Ordering;

use raincheck_core::decide::{self, Moment};
use raincheck_core::interpreter::{
    self, BatchClaim, Carried, Fact, Facts, Held, Look, NameFacts, NamedQueue, Needs, NewFacts, NewName, Offered,
    Serving,
};
use raincheck_core::{
    Batch, BatchName, Change, Command, IdMint, Job, JobNo, LeaseJobs, NewJob, Payload, QueueFacts, Reply, State,
};
use rusqlite::{OptionalExtension, params};

use super::claims::Place;
use super::forget::NewNames;
use super::trouble::{Result, Trouble};
use super::writer::{LeaseChange, Writer};
use super::{chunks, claims, objects, purge, ready, rows, sweep, trim};

impl Writer<'_> {
    /// Loads the facts of one command, lets the rules decide, and writes what they say.
    pub(super) fn apply(&mut self, command: Command) -> Result<Reply> {
        if self.follow_ups.go_before(&command) {
            self.follow()?;
        }
        match command {
            Command::Submit(jobs) => self.submit(jobs, None),
            Command::SubmitBatch(Batch { name, jobs }) => self.submit_batch(name, jobs),
            Command::Lease(request) => self.lease(&request),
            Command::CatchUp(limit) => self.catch_up(limit),
            Command::Bury(limit) => Ok(purge::bury(self, limit)?),
            Command::Trim(trim) => Ok(trim::trim(self, trim)?),
            Command::Settle(_)
            | Command::Progress(..)
            | Command::Append(_)
            | Command::Extend(..)
            | Command::Cancel(_)
            | Command::RunNow(_)
            | Command::Purge(_)
            | Command::SetQueue(..)
            | Command::Put(_)
            | Command::Delete(_)
            | Command::Promote(_)
            | Command::Expire(_)
            | Command::Retire(_) => self.carry_out(command),
        }
    }

    pub(super) fn carry_out(&mut self, command: Command) -> Result<Reply> {
        let mut facts = Facts::default();
        loop {
            let needs = interpreter::needs(&command, &facts);
            if needs.is_empty() {
                break;
            }
            self.look_up(needs, &mut facts)?;
        }
        let carried = self.decide(|moment| interpreter::carry_out(command, facts, moment));
        self.write(carried.map_err(|missing| Trouble::refused(missing.0))?)
    }

    fn write(&mut self, Carried { changes, more, mut reply }: Carried) -> Result<Reply> {
        let mut blobs = self.carry(changes)?;
        for changes in more {
            blobs.extend(self.carry(changes)?);
        }
        if let Reply::Purged(purged) | Reply::Swept(_, purged) = &mut reply {
            purged.blobs = blobs;
        }
        Ok(reply)
    }

    fn look_up(&mut self, needs: Needs<'_>, facts: &mut Facts) -> Result<()> {
        if let Some(no) = needs.job {
            facts.job = self.job(no)?.into();
        }
        if let Some(lease) = needs.lease {
            let leases = self.shared.leases.lock();
            // What a hand-over in this transaction gave counts at once.
            let is_extended = |c: &LeaseChange| matches!(c, LeaseChange::Extend(it, _) if *it == lease);
            let overdue = leases.overrun(lease, self.shared.clock.reading());
            let overdue = overdue.filter(|_| !self.leases.iter().any(is_extended));
            facts.lease = Fact::Here(Held { overdue, worker: leases.worker(lease).unwrap_or_default() });
        }
        if let Some(no) = needs.recorded {
            facts.recorded = rows::recorded(self.db, no)?.into();
        }
        if needs.retry.is_some()
            && let Fact::Here(job) = &facts.job
        {
            facts.retry = Fact::Here(ready::spec(self, job)?.retry);
        }
        if let Some(place) = needs.part {
            facts.part = chunks::part(self.db, place)?.into();
        }
        if let Some(name) = needs.queue {
            let has_room = self.has_room(name)?;
            let number = self.shared.tables.queue_number(name.as_str());
            let known = number.and_then(|number| self.book.queues.get(&number));
            let settings = known.map(|queue| queue.settings.clone()).unwrap_or_default();
            facts.queue = Fact::Here(NamedQueue { has_room, settings });
        }
        if let Some(due) = needs.due {
            facts.due = Fact::Here(sweep::due(self, due)?);
        }
        if let Some((kind, name)) = needs.object {
            facts.object = Fact::Here(objects::named(self.db, kind, name)?);
        }
        Ok(())
    }

    /// The job as it is by now, this transaction included.
    pub(super) fn job(&mut self, no: JobNo) -> Result<Option<Job>> {
        if let Some(job) = self.running.get(no) {
            return Ok(Some(job.clone()));
        }
        let tables = &self.shared.tables;
        self.kept.job.get()?.query_row([no.0], |row| Ok(rows::job(row, tables))).optional()?.transpose()
    }

    /// Calls a rule with the time and randomness of this moment.
    pub(super) fn decide<T>(&mut self, rule: impl FnOnce(&mut Moment<'_>) -> T) -> T {
        rule(&mut self.moment().0)
    }

    fn moment(&mut self) -> (Moment<'_>, &mut IdMint) {
        let now = self.shared.clock.now();
        self.tick = self.tick.max(now.0);
        let follow = self.follow_ups.rule();
        (Moment { now, tick: self.tick, rng: &mut self.rng, follow }, &mut self.mint)
    }

    fn submit_batch(&mut self, name: BatchName, jobs: Vec<NewJob>) -> Result<Reply> {
        let facts = self.batch_facts(&name.id)?;
        let decided = self.decide(|moment| interpreter::again(&name, facts, moment.now));
        match decided.map_err(|missing| Trouble::refused(missing.0))? {
            Some(reply) => Ok(reply),
            None => self.submit(jobs, Some(name)),
        }
    }

    fn submit(&mut self, mut jobs: Vec<NewJob>, name: Option<BatchName>) -> Result<Reply> {
        if jobs.len() == 1
            && let Some(new) = jobs.pop()
        {
            let facts = self.facts_of(&new, std::slice::from_ref(&new), &mut NewNames::default())?;
            return self.take([(new, facts)].into_iter(), name);
        }
        let (mut facts, mut names) = (Vec::with_capacity(jobs.len()), NewNames::default());
        for new in &jobs {
            facts.push(self.facts_of(new, &jobs, &mut names)?);
        }
        self.take(jobs.into_iter().zip(facts), name)
    }

    fn take(
        &mut self,
        jobs: impl ExactSizeIterator<Item = (NewJob, NewFacts)>,
        name: Option<BatchName>,
    ) -> Result<Reply> {
        let (mut moment, mint) = self.moment();
        let fresh = |moment: &mut Moment<'_>| mint.mint(moment.now, moment.rng);
        let carried =
            interpreter::take(jobs, name, fresh, &mut moment).map_err(|missing| Trouble::refused(missing.0))?;
        self.write(carried)
    }

    /// What one of the new jobs `all` must know; `names` are new with those before it.
    fn facts_of<'j>(&mut self, new: &'j NewJob, all: &'j [NewJob], names: &mut NewNames<'j>) -> Result<NewFacts> {
        let Some(queue) = self.room_beside(new, all, names)? else { return Ok(NewFacts::default()) };
        let in_queue = self.book.queues.get(&queue);
        Ok(NewFacts {
            has_room: true,
            queue: QueueFacts {
                waiting: in_queue.map_or(0, |q| q.by_state[..3].iter().sum()),
                max_queued: in_queue.and_then(|q| q.settings.max_queued).unwrap_or(self.bounds.max_queued),
                waiting_in_all: self.book.waiting,
                max_in_all: self.bounds.max_in_all,
                next_ticket: in_queue.map_or(0, |q| q.tickets) + 1,
            },
            by_id: self.stands_for(new.chosen_id(), queue)?,
            by_key: self.stands_for(new.key_name(), queue)?,
            equal: self.stands_for(new.equal_name(), queue)?,
        })
    }

    /// What a name of a new job stands for.
    fn stands_for(&self, name: Option<NewName<'_>>, queue: i64) -> Result<NameFacts> {
        let mut facts = NameFacts::default();
        let Some(name) = name else { return Ok(facts) };
        while let Some(look) = facts.next(name) {
            match look {
                Look::Claim => facts.claim = claims::find(self.db, Place::of(name.scope, queue), name.key)?.into(),
                Look::Job(no) => facts.job = claims::job(self.db, &self.shared.tables, no)?.map(Box::new).into(),
                Look::Tombstone(no) => facts.tombstone = claims::tombstone(self.db, no)?.into(),
            }
        }
        Ok(facts)
    }

    fn lease(&mut self, request: &LeaseJobs) -> Result<Reply> {
        if let Some(id) = &request.request_id
            && let Some(again) = ready::asked_before(self, id)?
        {
            return Ok(Reply::Leased(again));
        }
        let (mut leased, mut serving) = (Vec::new(), Serving::new(request, self.inputs));
        loop {
            let (jobs, mut room) = ready::candidates(self, request, serving.begin_round())?;
            for job in jobs {
                let inputs = self.inputs;
                match self.decide(|moment| serving.offer(job, &mut room, inputs, moment)) {
                    Offered::Kept(_) => {}
                    Offered::Late(changes) => drop(self.carry(changes)?),
                    Offered::Leased(job, changes) => {
                        self.carry(changes)?;
                        let spec = ready::spec(self, &job)?;
                        if let Payload::Inline(input) = &spec.input.payload {
                            self.inputs += input.len();
                        }
                        self.leases.push(LeaseChange::Start(Box::new(job.clone()), request.worker.clone()));
                        leased.push((job, spec));
                    }
                }
            }
            if !serving.goes_on(self.inputs) {
                break;
            }
        }
        if let Some(id) = &request.request_id
            && !leased.is_empty()
        {
            ready::remember(self, id, &leased)?;
        }
        Ok(Reply::Leased(leased))
    }

    /// Writes what the rules decided; answers the files that nobody refers to any more.
    pub(super) fn carry(&mut self, changes: Vec<Change>) -> Result<Vec<Box<str>>> {
        // A rule that is wrong must not be written down: the transaction is given up, and counted.
        let seq = decide::lawful(&changes).map_err(Trouble::refused)?;
        let mut blobs = Vec::new();
        for change in changes {
            match change {
                Change::Insert(job, spec) => self.insert(&job, &spec)?,
                Change::Update { state, attempt, job } => self.update(state, attempt, seq, job)?,
                Change::Claim { scope, key, no, fingerprint } => {
                    let Some(job) = self.job(no)? else { continue };
                    let queue = self.shared.tables.queue_number(job.queue.as_str()).unwrap_or_default();
                    claims::put(self.db, Place::of(scope, queue), &key, no, &fingerprint)?;
                }
                Change::ClaimBatch { id, jobs, fingerprint } => {
                    let Some(no) = jobs.last().copied() else { continue };
                    claims::put_batch(self.db, id.as_bytes(), no, &BatchClaim { jobs, fingerprint })?;
                }
                Change::Event(mut event) => {
                    self.cursor += 1;
                    event.cursor.0 = self.cursor;
                    super::events::insert(self.kept.insert_event.get()?, &event)?;
                    self.events.push(event);
                }
                Change::Result(no, result) => {
                    rows::insert_result(self.db, self.kept.insert_result.get()?, no, &result)?;
                }
                Change::Failure(no, failure) => {
                    let text = crate::codec::failure_text(&failure)?;
                    self.report(
                        "INSERT INTO report (no, failure) VALUES (?1,?2) ON CONFLICT DO UPDATE SET failure=?2",
                        no,
                        &text,
                    )?;
                }
                Change::Progress(no, progress) => {
                    let text = crate::codec::progress_text(&progress)?;
                    self.report(
                        "INSERT INTO report (no, progress) VALUES (?1,?2) ON CONFLICT DO UPDATE SET progress=?2",
                        no,
                        &text,
                    )?;
                }
                Change::Piece(piece) => chunks::insert(self, &piece)?,
                Change::Settings(name, settings) => {
                    self.found_none = None;
                    let number = self.shared.tables.queues.write().intern(&name);
                    self.book.queue(number).settings = settings;
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

    fn insert(&mut self, job: &Job, spec: &raincheck_core::Spec) -> Result<()> {
        let (queue, kind) = self.shared.tables.numbers(&job.queue, &job.kind);
        rows::insert_job(self.kept.insert_job.get()?, job, queue, kind)?;
        rows::insert_spec(self.db, self.kept.insert_spec.get()?, job.no, spec)?;
        self.book.queue(queue).tickets = job.ticket;
        self.book.moved(queue, kind, None, Some(job.state));
        let due = [(job.state == State::Scheduled).then_some(job.run_at), job.start_by];
        for at in due.into_iter().flatten() {
            self.shared.next_due.fetch_min(at.0, Ordering::AcqRel);
        }
        Ok(())
    }

    fn update(&mut self, state: State, attempt: u32, seq: u32, job: Box<Job>) -> Result<()> {
        if !rows::update_job(self.kept.update_job.get()?, &job, (state, attempt, seq))? {
            // One writer, facts read in this transaction: this cannot be, and must not be written if it is.
            return Err(Trouble::refused("a job is not as it was read"));
        }
        let tables = &self.shared.tables;
        let queue = tables.queue_number(job.queue.as_str()).unwrap_or_default();
        let kind = tables.kind_number(job.kind.as_str()).unwrap_or_default();
        if attempt == 0 && state.is_waiting() && !job.state.is_waiting() {
            self.book.queue(queue).served += 1;
        }
        self.book.moved(queue, kind, Some(state), Some(job.state));
        if job.state == State::Scheduled {
            self.shared.next_due.fetch_min(job.run_at.0, Ordering::AcqRel);
        }
        if let Some(at) = job.expires_at {
            self.shared.next_retirement.fetch_min(at.0, Ordering::AcqRel);
        }
        self.running.note(job);
        Ok(())
    }
}
