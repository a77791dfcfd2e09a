//! Every job: its row, its events, and what it claims and refers to.

use std::sync::LazyLock;
use std::time::Instant;

use raincheck_core::{ClaimScope, Digest, State};
use rusqlite::{OptionalExtension, Result, Row, params};

use crate::checkup::Invariant;
use crate::columns::{Columns, ReadColumns};
use crate::rules::{Hash, Standing, Step, Walk, forward, known, stands_for};
use crate::sqlite::check::expected_files::Expected;
use crate::sqlite::check::stage::{BATCH, Look, Stage};
use crate::sqlite::error::SqliteError;
use crate::sqlite::tables::claims::Place;
use crate::sqlite::tables::rows;

/// Events read before the clock is looked at.
const EVENTS: usize = 1_000;

static SQL: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT j.no, j.random_bits, j.client_id, j.queue, s.key, s.blob, s.size, r.blob, r.size, \
         CASE WHEN ?3 THEN r.bytes END, \
         r.digest, {} FROM job j \
         LEFT JOIN spec s ON s.no=j.no LEFT JOIN result r ON r.no=j.no LEFT JOIN report p ON p.no=j.no \
         WHERE j.no>?1 ORDER BY j.no LIMIT ?2",
        Standing::SELECT
    )
});
/// How many columns stand before those of [`Standing`].
const OTHERS: usize = 11;

/// The jobs up to a number, and one whose events go on in the next piece.
#[derive(Default)]
pub(crate) struct Jobs {
    after: i64,
    walk: Option<Walk>,
}

impl Stage for Jobs {
    fn advance(&mut self, look: &mut Look<'_>) -> Result<bool> {
        let db = look.db;
        let mut statement = db.prepare_cached(&SQL)?;
        let mut rows = statement.query(params![self.after, BATCH as i64, look.throttle.payloads])?;
        let mut count = 0;
        while let Some(row) = rows.next()? {
            count += 1;
            let no = row.get(0)?;
            let standing = match Standing::of_sqlite(row, OTHERS) {
                Ok(standing) => standing,
                Err(SqliteError::Database(error)) => return Err(error),
                Err(trouble) => {
                    look.damaged(format!("job number {no}: {trouble}"));
                    return Ok(false);
                }
            };
            // One that was purged meanwhile is not followed to its end.
            let kept = self.walk.take().filter(|walk| walk.no == no);
            let mut walk = match kept {
                Some(walk) => walk,
                None => {
                    let subject = rows::id(no, row.get(1)?, row.get(2)?).to_string();
                    Walk::of(no, subject.into())
                }
            };
            while !follow(&mut walk, look)? {
                if look.stuck {
                    return Ok(false);
                }
                if Instant::now() >= look.until {
                    self.walk = Some(walk);
                    return Ok(true);
                }
            }
            look.page.examined += 1;
            belongings(look, row, &standing, &walk.subject)?;
            claims(look, row, &walk.subject)?;
            walk.end(look.page, standing.seq.0, standing.state.0, standing.attempt.0);
            if !forward(&mut self.after, no) {
                return look.circle("jobs");
            }
            if Instant::now() >= look.until {
                return Ok(true);
            }
        }
        Ok(count == BATCH)
    }

    fn judges(&self) -> &'static [Invariant] {
        use Invariant::{Attempts, Events, Files, FinalEvent, Keys, Leases, Rows, States};
        &[Events, FinalEvent, Attempts, States, Rows, Leases, Keys, Files]
    }
}

/// Follows a job's events further; answers whether that has come to the end.
fn follow(walk: &mut Walk, look: &mut Look<'_>) -> Result<bool> {
    let mut statement = look.db.prepare_cached(
        "SELECT seq, cursor, type, state, attempt FROM event WHERE no=?1 AND seq>?2 ORDER BY seq LIMIT ?3",
    )?;
    let mut rows = statement.query(params![walk.no, walk.seq, EVENTS as i64])?;
    let mut count = 0;
    while let Some(row) = rows.next()? {
        count += 1;
        let (mut last, seq, cursor, kind) = (walk.seq, row.get(0)?, row.get(1)?, row.get(2)?);
        if !forward(&mut last, seq) {
            return look.circle("events of jobs");
        }
        walk.step(look.page, Step { seq, cursor, kind, state: row.get(3)?, attempt: row.get(4)? });
    }
    look.page.examined += count as u64;
    Ok(count < EVENTS)
}

/// What a job in its state has and has not.
fn belongings(look: &mut Look<'_>, row: &Row<'_>, standing: &Standing, subject: &str) -> Result<()> {
    standing.judge(subject, look.page);
    let number = |column| row.get::<_, i64>(column);
    if standing.state() == Some(State::Running) && (standing.attempt.0 < 1 || standing.ttl.0 <= 0) {
        look.page.found(Invariant::Leases, subject, "it runs without a lease");
    }
    for (name, size, table) in [(5, 6, "spec"), (7, 8, "result")] {
        if let Some(name) = row.get::<_, Option<Box<str>>>(name)? {
            let kept: Option<(i64, Option<Digest>)> = look
                .db
                .prepare_cached("SELECT no, digest FROM blob WHERE name=?1")?
                .query_row([&name], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?;
            if kept.map(|(owner, _)| owner) != Some(number(0)?) {
                let detail = format!("the file {name} is not written down as its own, and would be removed");
                look.page.found(Invariant::Files, subject, detail);
            }
            let digest = kept.and_then(|(_, digest)| digest);
            let (no, size, subject) = (number(0)?, number(size)?, subject.into());
            look.files.push(Expected { no, subject, name, size, digest, table });
        }
    }
    if let Some(bytes) = row.get_ref(9)?.as_blob_or_null()? {
        let digest: Digest = row.get(10)?;
        if known(&digest).is_some() && Hash::of(bytes) != digest {
            look.page.found(Invariant::Files, subject, "its result is not what it was");
        }
    }
    Ok(())
}

/// That its key and the id chosen for it stand for this very job.
fn claims(look: &mut Look<'_>, row: &Row<'_>, subject: &str) -> Result<()> {
    let (no, queue) = (row.get::<_, i64>(0)?, row.get::<_, i64>(3)?);
    let key = row.get::<_, Option<String>>(4)?.map(|key| (ClaimScope::Key, key.into_bytes(), "its key"));
    let client_id = row.get::<_, Option<Vec<u8>>>(2)?.map(|id| (ClaimScope::Id, id, "its id"));
    for (scope, name, what) in key.into_iter().chain(client_id) {
        let owner =
            crate::sqlite::tables::claims::find(look.db, Place::of(scope, queue), &name)?.map(|claim| claim.no.0);
        stands_for(look.page, no, subject, what, owner);
    }
    Ok(())
}
