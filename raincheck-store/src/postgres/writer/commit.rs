//! The end of a transaction: its events, its place in the feed, and what is made known once it is on disk.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use futures_util::join;
use raincheck_core::limits::EVENT_BYTES;
use raincheck_core::{ChunkKind, Event, JobNo, Name, QueueSettings, Reply};

use super::batch::Batch;
use super::overlay::LeaseChange;
use crate::codec;
use crate::postgres::connection::db::Parameters;
use crate::postgres::error::PgError;
use crate::postgres::feed::order::Published;
use crate::postgres::shared::Shared;
use crate::postgres::tables::counters::Counts;
use crate::postgres::tables::rows;
use crate::records::Commit;

const INSERT: &str = "INSERT INTO event SELECT $1, u.* FROM unnest($2::integer[], $3::bigint[], $4::integer[], \
    $5::smallint[], $6::smallint[], $7::integer[], $8::bigint[], $9::text[]) AS u";
/// Held from here to the end of the transaction, which comes at once. Any number will do, as long as it is always the
/// same.
const LOCK: &str = "SELECT pg_advisory_xact_lock(8241990467021)";
const PLACE: &str = "INSERT INTO feed SELECT pos + 1, $1, last + 1, last + $2, $3, $4, $5, $6, $7 \
    FROM (SELECT pos, last FROM feed ORDER BY pos DESC LIMIT 1) AS latest RETURNING pos, first";

const CUT: &str = "INSERT INTO meta AS m (name, number) SELECT * FROM (VALUES ('feed_floor', $1::bigint), \
    ('feed_trimmed', $2::bigint), ('feed_forgotten_bytes', $3::bigint)) AS new (name, number) WHERE number IS NOT NULL \
    ON CONFLICT (name) DO UPDATE SET number = CASE m.name WHEN 'feed_forgotten_bytes' \
    THEN greatest(m.number + excluded.number, 0) ELSE greatest(m.number, excluded.number) END";

/// What came of a transaction that is about to be committed.
pub(crate) struct Done {
    /// Of each caller, in the order in which it asked.
    pub replies: Vec<Vec<Reply>>,
    /// Its place in the feed, once it is committed; `None` when it wrote nothing.
    pub published: Option<Published>,
}

/// Takes the place in the feed and commits, both sent at once; everything else is written.
pub(crate) async fn commit(batch: &mut Batch<'_>) -> Result<Published, PgError> {
    let mut events = std::mem::take(&mut batch.events);
    let grown = std::mem::take(&mut batch.grown);
    // Known by now, or the commit would overtake what is still being prepared.
    batch.db.prepare(&[LOCK, PLACE, CUT]).await?;
    // Events whose jobs are forgotten in this very transaction.
    let forgotten = events.iter().filter(|event| batch.gone.contains(&event.no)).count();
    batch.cut.bytes += forgotten as i64 * EVENT_BYTES as i64;
    if batch.history != batch.shared.history.current() {
        return Err(PgError::OtherHistory);
    }
    let (placed, committed) = {
        let batch = &*batch;
        let (locked, placed, cut, committed) =
            join!(batch.db.query(LOCK, &[]), place(batch, &events, &grown), write_cut(batch), batch.db.commit(),);
        locked?;
        cut?;
        (placed?, committed)
    };
    let row = placed.first().ok_or(PgError::Refused("the feed has no end to go on from"))?;
    let (pos, first): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
    committed?;
    for (index, event) in (first..).zip(&mut events) {
        event.cursor.0 = index;
    }
    let commit = Commit { events, chunks: grown, history_changed: false, is_own: true };
    Ok(Published { pos, batch: batch.number, history: batch.history, commit })
}

pub(crate) async fn insert(batch: &Batch<'_>) -> Result<(), PgError> {
    let events = &batch.events;
    if events.is_empty() {
        return Ok(());
    }
    // What belongs to a job that is purged by now has its place, and no more.
    let text = |event: &Event| match batch.gone.contains(&event.no) {
        true => Ok(None),
        false => codec::event_text(&event.data),
    };
    let data: Vec<Option<String>> = events.iter().map(text).collect::<Result<_, _>>()?;
    let parameters: Parameters<'_> = &[
        &batch.number,
        &(0..).zip(events).map(|(index, _)| index).collect::<Vec<i32>>(),
        &events.iter().map(|event| event.no.0).collect::<Vec<_>>(),
        &events.iter().map(|event| rows::count(event.seq)).collect::<Vec<_>>(),
        &events.iter().map(|event| event.data.event_type() as i16).collect::<Vec<_>>(),
        &events.iter().map(|event| event.state as i16).collect::<Vec<_>>(),
        &events.iter().map(|event| rows::count(event.attempt)).collect::<Vec<_>>(),
        &events.iter().map(|event| event.at.0).collect::<Vec<_>>(),
        &data,
    ];
    batch.db.execute(INSERT, parameters).await.map(|_| ())
}

async fn place(
    batch: &Batch<'_>,
    events: &[Event],
    grown: &[(JobNo, ChunkKind)],
) -> Result<Vec<tokio_postgres::Row>, PgError> {
    let (node, _) = batch.state.identity;
    let nos: Option<Vec<i64>> = (!grown.is_empty()).then(|| grown.iter().map(|(no, _)| no.0).collect());
    let kinds: Option<Vec<i16>> = (!grown.is_empty()).then(|| grown.iter().map(|(_, kind)| *kind as i16).collect());
    let low = events.iter().map(|event| event.no.0).min();
    let high = events.iter().map(|event| event.no.0).max();
    batch.db.query(PLACE, &[&batch.number, &(events.len() as i64), &node, &nos, &kinds, &low, &high]).await
}

/// Writes where the feed is cut, in the order of the feed.
async fn write_cut(batch: &Batch<'_>) -> Result<u64, PgError> {
    let cut = &batch.cut;
    if cut.is_empty() {
        return Ok(0);
    }
    batch.db.execute(CUT, &[&cut.last_removed, &cut.trimmed, &cut.bytes]).await
}

/// What is left of a transaction when it has ended, to be made known or to be forgotten.
pub(crate) struct CommitEffects {
    /// What memory is to know of leases.
    lease_changes: Vec<LeaseChange>,
    /// What is added to the counters of all nodes.
    moves: HashMap<(Name, Name), Counts>,
    /// Settings of queues that were changed.
    settings: HashMap<Name, QueueSettings>,
    /// The earliest time at which a job is due or late, milliseconds.
    due: Option<i64>,
    /// The earliest time at which the retention of a job is over, milliseconds.
    expiration: Option<i64>,
    /// Numbers of names that it made; whether of a queue.
    named: Vec<(bool, i32)>,
    /// A sweep took what was due next: look for the next after it.
    pub swept: bool,
    /// Follow-ups were left over.
    left_over: bool,
}

impl CommitEffects {
    pub fn of(batch: Batch<'_>) -> Self {
        CommitEffects {
            lease_changes: batch.lease_changes,
            moves: batch.moves,
            settings: batch.settings,
            due: batch.due.into_iter().min(),
            expiration: batch.expirations.into_iter().min(),
            named: batch.named,
            swept: batch.swept,
            left_over: batch.left_over,
        }
    }

    /// Makes known what is on disk.
    pub fn publish(self, shared: &Shared, done: Done) -> Vec<Vec<Reply>> {
        let mut counters = shared.counters.write();
        for ((queue, kind), counts) in self.moves {
            counters.add(queue, kind, &counts);
        }
        for (queue, settings) in self.settings {
            counters.queues.entry(queue).or_default().settings = settings;
        }
        drop(counters);
        shared.next_due.fetch_min(self.due.unwrap_or(i64::MAX), Ordering::AcqRel);
        shared.next_expiry.fetch_min(self.expiration.unwrap_or(i64::MAX), Ordering::AcqRel);
        shared.left_over.fetch_or(self.left_over, Ordering::AcqRel);
        if !self.lease_changes.is_empty() {
            let mut leases = shared.leases.lock();
            for change in self.lease_changes {
                match change {
                    LeaseChange::Start(kept) => leases.put(kept),
                    LeaseChange::Extend(lease, ttl, until) => leases.hand_over(lease, ttl, until),
                    LeaseChange::AskToStop(lease) => leases.ask_to_stop(lease),
                    LeaseChange::End(lease) => leases.end(lease),
                }
            }
        }
        if let Some(published) = done.published {
            shared.feed.publish(published);
            shared.hints.wrote.notify_one();
        }
        done.replies
    }

    /// Nobody knows whether it is on disk. Should it be, it is read from the feed like another node's, and the leases
    /// that it handed out end in time.
    pub fn leave_open(mut self, shared: &Shared) {
        shared.feed.doubt();
        for change in std::mem::take(&mut self.lease_changes) {
            if let LeaseChange::Start(kept) = change {
                shared.leases.lock().put(kept);
            }
        }
        self.take_back(shared);
    }

    /// Forgets names that are not on disk after all.
    pub fn take_back(self, shared: &Shared) {
        for (is_queue, number) in self.named {
            if is_queue { shared.names.queues.forget(number) } else { shared.names.kinds.forget(number) }
        }
    }
}
