//! Every job: its row, its events, its lease, and what it claims and refers to.

use std::sync::LazyLock;

use async_trait::async_trait;
use raincheck_core::{ClaimScope, JobId, State};
use tokio_postgres::Row;

use super::stage::{BATCH, Expected, Look, Result, Stage};
use crate::checkup::Invariant;
use crate::columns::{Columns, ReadColumns};
use crate::postgres::tables::rows::digest as digest_of;
use crate::postgres::tables::text::plain;
use crate::rules::{Standing, Step, Walk, stands_for};

/// Events read at a time.
const EVENTS: usize = 4_096;

static JOBS: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT j.no, j.id::text, j.queue, j.kind, s.key, s.blob, s.size, r.blob, r.size, l.attempt::bigint, \
         (SELECT b.no FROM blob b WHERE b.name=s.blob), (SELECT b.no FROM blob b WHERE b.name=r.blob), \
         (SELECT b.digest FROM blob b WHERE b.name=s.blob), (SELECT b.digest FROM blob b WHERE b.name=r.blob), \
         EXISTS (SELECT FROM queue q WHERE q.id=j.queue), EXISTS (SELECT FROM kind k WHERE k.id=j.kind), {} \
         FROM job j LEFT JOIN spec s ON s.no=j.no AND s.no>$1 AND s.no<=$2 \
         LEFT JOIN result r ON r.no=j.no AND r.no>$1 AND r.no<=$2 \
         LEFT JOIN report p ON p.no=j.no AND p.no>$1 AND p.no<=$2 LEFT JOIN lease l ON l.no=j.no \
         WHERE j.no>$1 AND j.no<=$2 ORDER BY j.no",
        Standing::SELECT
    )
});
/// How many columns stand before those of [`Standing`].
const OTHERS: usize = 16;
const LAST: &str = "SELECT max(no) FROM (SELECT no FROM job WHERE no>$1 ORDER BY no LIMIT $2) j";
const STEPS: &str = "SELECT e.no, e.seq::bigint, f.first + e.idx, e.type::bigint, e.state::bigint, e.attempt::bigint \
    FROM event e LEFT JOIN feed f ON f.batch=e.batch WHERE e.no = ANY($1) AND e.no>=$5 AND e.no<=$6 \
    AND (e.no, e.seq) > ($2, $3) ORDER BY e.no, e.seq LIMIT $4";
const CLAIMED: &str = "SELECT c.no FROM unnest($1::smallint[], $2::integer[], $3::bytea[]) WITH ORDINALITY \
    AS u (scope, queue, key, place) LEFT JOIN claim c ON c.scope=u.scope AND c.queue=u.queue AND c.key=u.key ORDER BY u.place";

/// The jobs up to a number, and one whose events go on in the next piece.
#[derive(Default)]
pub(super) struct Jobs {
    after: i64,
    walk: Option<Walk>,
}

#[async_trait]
impl Stage for Jobs {
    async fn advance(&mut self, look: &mut Look<'_>) -> Result<bool> {
        let last = look.rows(LAST, &[&self.after, &(BATCH as i64)]).await?;
        let last: Option<i64> = last.first().map(|row| row.try_get(0)).transpose()?.flatten();
        let Some(last) = last else { return Ok(false) };
        let jobs = look.rows(&JOBS, &[&self.after, &last]).await?;
        let nos: Vec<i64> = jobs.iter().map(|row| row.try_get(0)).collect::<std::result::Result<_, _>>()?;
        // One that was purged meanwhile is not followed to its end.
        self.walk = self.walk.take().filter(|walk| nos.first() == Some(&walk.no));
        let (no, seq) = match &self.walk {
            Some(walk) => (walk.no, i32::try_from(walk.seq).unwrap_or(i32::MAX)),
            None => (self.after, 0),
        };
        let rows = look.rows(STEPS, &[&nos, &no, &seq, &(EVENTS as i64), &(self.after + 1), &last]).await?;
        let cut = rows.len() == EVENTS;
        for row in rows.iter() {
            if row.try_get::<_, Option<i64>>(2)?.is_none() {
                let (subject, seq) = (format!("job number {}", row.try_get::<_, i64>(0)?), row.try_get::<_, i64>(1)?);
                let detail = format!("event {seq} has no place in the feed: nobody is told of it");
                look.page.found(Invariant::Feed, subject, detail);
            }
        }
        let steps = rows.iter().map(step).collect::<Result<Vec<_>>>()?;
        look.page.examined += steps.len() as u64;
        // The events of the last job that was read may go on.
        let last = steps.last().filter(|_| cut).map(|(no, _)| *no);
        let mut steps = steps.into_iter().peekable();
        let mut done = Vec::new();
        for (job, no) in jobs.iter().zip(nos) {
            let mut walk = match self.walk.take() {
                Some(walk) => walk,
                None => Walk::of(no, job.try_get::<_, &str>(1)?.into()),
            };
            while let Some((_, step)) = steps.next_if(|(of, _)| *of == no) {
                walk.step(look.page, step);
            }
            if last == Some(no) {
                self.walk = Some(walk);
                break;
            }
            done.push((job, walk));
            self.after = no;
        }
        look.page.examined += done.len() as u64;
        claims(look, &done).await?;
        for (job, walk) in done {
            let standing = Standing::of_postgres(job, OTHERS)?;
            belongings(look, job, &standing, &walk.subject)?;
            walk.end(look.page, standing.seq.0, standing.state.0, standing.attempt.0);
        }
        Ok(cut || jobs.len() == BATCH)
    }
}

/// Whose event it is, and what it says. One that no transaction of the feed has stands behind all others.
fn step(row: &Row) -> Result<(i64, Step)> {
    let cursor = row.try_get::<_, Option<i64>>(2)?.unwrap_or(i64::MAX);
    let (seq, kind) = (row.try_get(1)?, row.try_get(3)?);
    Ok((row.try_get(0)?, Step { seq, cursor, kind, state: row.try_get(4)?, attempt: row.try_get(5)? }))
}

/// What a job in its state has and has not.
fn belongings(look: &mut Look<'_>, row: &Row, standing: &Standing, subject: &str) -> Result<()> {
    let no: i64 = row.try_get(0)?;
    let attempt = standing.attempt.0;
    standing.judge(subject, look.page);
    for (named, column, table) in [(14, 2, "queue"), (15, 3, "kind")] {
        if !row.try_get::<_, bool>(named)? {
            let id: i32 = row.try_get(column)?;
            let detail = format!(
                "its {table}, {id}, has no name, so it cannot be read; give it one: INSERT INTO {table} (id, name) \
                 OVERRIDING SYSTEM VALUE VALUES ({id}, 'NAME')"
            );
            look.page.found(Invariant::Rows, subject, detail);
        }
    }
    let leased: Option<i64> = row.try_get(9)?;
    if standing.state() == Some(State::Running) {
        if attempt < 1 || standing.ttl.0 <= 0 || leased.is_none() {
            look.page.found(Invariant::Leases, subject, "it runs without a lease");
        } else if leased != Some(attempt) {
            let detail = format!("attempt {attempt} runs, the lease is of attempt {}", leased.unwrap_or_default());
            look.page.found(Invariant::Leases, subject, detail);
        }
    } else if let Some(leased) = leased {
        look.page.found(Invariant::Leases, subject, format!("attempt {leased} is leased, and it does not run"));
    }
    for (name, size, owner, digest, table) in [(5, 6, 10, 12, "spec"), (7, 8, 11, 13, "result")] {
        if let Some(name) = row.try_get::<_, Option<&str>>(name)? {
            if row.try_get::<_, Option<i64>>(owner)? != Some(no) {
                let detail = format!("the file {name} is not written down as its own, and would be removed");
                look.page.found(Invariant::Files, subject, detail);
            }
            let (size, digest) = (row.try_get(size)?, digest_of(row, digest)?);
            look.files.push(Expected { no, subject: subject.into(), name: name.into(), size, digest, table });
        }
    }
    Ok(())
}

/// That keys, and ids chosen for jobs, stand for these very jobs.
async fn claims(look: &mut Look<'_>, jobs: &[(&Row, Walk)]) -> Result<()> {
    let (mut scopes, mut queues, mut names, mut of) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (job, walk) in jobs {
        let queue: i32 = job.try_get(2)?;
        if let Some(key) = job.try_get::<_, Option<&str>>(4)? {
            scopes.push(ClaimScope::Key as i16);
            queues.push(queue);
            names.push(plain(key).into_string().into_bytes());
            of.push((walk, "its key"));
        }
        let minted = walk.subject.parse().ok().and_then(JobId::parts).is_some_and(|(no, _)| no.0 == walk.no);
        if let Some(id) = walk.subject.parse::<JobId>().ok().filter(|_| !minted) {
            scopes.push(ClaimScope::Id as i16);
            queues.push(0);
            names.push(id.0.into_bytes().to_vec());
            of.push((walk, "its id"));
        }
    }
    if of.is_empty() {
        return Ok(());
    }
    let owners = look.rows(CLAIMED, &[&scopes, &queues, &names]).await?;
    for (row, (walk, what)) in owners.iter().zip(of) {
        stands_for(look.page, walk.no, &walk.subject, what, row.try_get(0)?);
    }
    Ok(())
}
