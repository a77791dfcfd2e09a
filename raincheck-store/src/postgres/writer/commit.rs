//! Writes the events of a transaction and its place in the feed.

use futures_util::join;
use raincheck_core::{ChunkKind, Event};

use super::batch::Batch;
use super::trim::CUT;
use crate::codec;
use crate::postgres::connection::db::Parameters;
use crate::postgres::error::PgError;
use crate::postgres::feed::order::Published;
use crate::postgres::tables::rows;
use crate::records::Commit;

const INSERT: &str = "INSERT INTO event SELECT $1, u.* FROM unnest($2::integer[], $3::bigint[], $4::integer[], \
    $5::smallint[], $6::smallint[], $7::integer[], $8::bigint[], $9::text[]) AS u";
/// Held from here to the end of the transaction, which comes at once. Any number will do, as long as it is always the same.
const LOCK: &str = "SELECT pg_advisory_xact_lock(8241990467021)";
const PLACE: &str = "INSERT INTO feed SELECT pos + 1, $1, last + 1, last + $2, $3, $4, $5, $6, $7 \
    FROM (SELECT pos, last FROM feed ORDER BY pos DESC LIMIT 1) AS latest RETURNING pos, first";

/// Takes the place in the feed and commits, both sent at once; everything else is written.
pub(crate) async fn commit(batch: &mut Batch<'_>) -> Result<Published, PgError> {
    let mut events = std::mem::take(&mut batch.events);
    let grown = std::mem::take(&mut batch.grown);
    // Known by now, or the commit would overtake what is still being prepared.
    batch.db.prepare(&[LOCK, PLACE, CUT]).await?;
    batch.count_forgotten(&events);
    if batch.history != batch.shared.history.current() {
        return Err(PgError::OtherHistory);
    }
    let (placed, committed) = {
        let batch = &*batch;
        let (locked, placed, cut, committed) =
            join!(batch.db.query(LOCK, &[]), place(batch, &events, &grown), batch.write_cut(), batch.db.commit(),);
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
    let commit = Commit { events, chunks: grown, history_changed: false };
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
    grown: &[(raincheck_core::JobNo, ChunkKind)],
) -> Result<Vec<tokio_postgres::Row>, PgError> {
    let (node, _) = batch.state.identity;
    let nos: Option<Vec<i64>> = (!grown.is_empty()).then(|| grown.iter().map(|(no, _)| no.0).collect());
    let kinds: Option<Vec<i16>> = (!grown.is_empty()).then(|| grown.iter().map(|(_, kind)| *kind as i16).collect());
    let low = events.iter().map(|event| event.no.0).min();
    let high = events.iter().map(|event| event.no.0).max();
    batch.db.query(PLACE, &[&batch.number, &(events.len() as i64), &node, &nos, &kinds, &low, &high]).await
}
