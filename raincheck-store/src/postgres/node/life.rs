//! Shows that this node lives, and that leases can be renewed. When nobody could for a while, that is given to every
//! running lease: the silence was not the workers' fault.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::timeout;
use tokio_postgres::SimpleQueryMessage;
use uuid::Uuid;

use crate::postgres::connection::connector::Connector;
use crate::postgres::connection::link::Link;
use crate::postgres::connection::timeouts::{LEAST, within};
use crate::postgres::error::PgError;
use crate::postgres::node::clock::{NOW, Time};
use crate::postgres::shared::Shared;

/// How often a node shows that it lives.
const SHOW: Duration = Duration::from_secs(2);
/// How soon it tries again where it could not.
const AGAIN: Duration = Duration::from_millis(500);
/// How long that may take before the database counts as silent.
const SHOWN: Duration = Duration::from_secs(3);
/// When no node has shown that it lives for so long, milliseconds, nobody could renew a lease meanwhile.
pub(crate) const GAP: i64 = 3_000;

/// Commits that wait for a standby for longer than one that is there takes, as far as this user may know.
pub(crate) const HANGING: &str = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep' \
    AND datname = current_database() AND query_start < clock_timestamp() - interval '2 seconds'";

/// What a sign of life found out.
struct Shown {
    /// The number of this node is still its own.
    is_own: bool,
    /// How long nobody had shown any, milliseconds, where that is given to leases, and to how many.
    granted: Option<(i64, u64)>,
}

/// Shows it every now and then, until it is dropped, on a connection of its own: whether the database answers is not
/// for those to find out who want something of it. One whose number was given to another takes a new one.
pub(crate) async fn keep(shared: Arc<Shared>, connector: Connector) {
    let (mut link, mut hangs) = (None, false);
    loop {
        let pause = match within(SHOWN, show(&shared, &connector, &mut link)).await {
            Ok(()) => {
                shared.reach.speak();
                if std::mem::take(&mut hangs) {
                    tracing::info!("a synchronous standby confirms commits again");
                }
                SHOW
            }
            Err(error) => {
                // What is left of a question is not to be waited for.
                link = None;
                tracing::debug!(trouble = %error, "this node cannot show that it lives");
                // What was said before goes on to be so where that cannot be asked.
                let may_be = matches!(error, PgError::Silent) || error.is_locked_out();
                let now = may_be && within(LEAST, hang(&shared)).await.unwrap_or(hangs);
                if now && !hangs {
                    tracing::warn!("commits wait for a synchronous standby, and none confirms them");
                }
                hangs = now;
                shared.fall_mute(if hangs { &PgError::NoStandby } else { &error });
                AGAIN
            }
        };
        // Woken or not: it shows.
        let _ = timeout(pause, shared.unheard.notified()).await;
    }
}

/// Whether commits wait for a standby.
async fn hang(shared: &Shared) -> Result<bool, PgError> {
    let db = shared.reader(Instant::now() + LEAST).await?;
    Ok(db.query_one(HANGING, &[]).await?.try_get::<_, i64>(0)? > 0)
}

async fn show(shared: &Shared, connector: &Connector, link: &mut Option<Link>) -> Result<(), PgError> {
    let open = link.take().filter(|link| !link.is_closed());
    let db = match open {
        Some(db) => db,
        None => connector.link().await?,
    };
    let (number, token) = shared.identity();
    let shown = once(&db, (number, token), shared.clock.time).await?;
    if let Some((gap, leases)) = shown.granted {
        tracing::warn!(
            gap_ms = gap,
            leases,
            "nobody could renew leases for a while; they have their whole length again"
        );
    }
    if !shown.is_own {
        shared.be_another(&*db, token).await?;
    }
    *link = Some(db);
    Ok(())
}

/// One transaction, sent at once. Who may lock these tables that way could renew leases, and settle.
async fn once(db: &Link, (number, token): (i32, Uuid), time: Time) -> Result<Shown, PgError> {
    // Where a test owns the time of leases, the database's says nothing about them.
    let gap = if time == Time::Given { i64::MAX } else { GAP };
    // Whoever finds the gap closes it, and the next one finds none: the row is locked.
    let sql = format!(
        "BEGIN; SET LOCAL jit = off; SET LOCAL lock_timeout = '2500ms'; LOCK TABLE job, lease IN ROW EXCLUSIVE MODE; \
         WITH own AS (UPDATE node SET seen_at = {NOW} WHERE number = {number} AND token = '{token}' RETURNING 1), \
         last AS (SELECT at FROM life FOR UPDATE), \
         beat AS (UPDATE life SET at = {NOW} FROM last RETURNING life.at AS at, life.at - last.at AS gap), \
         those AS (SELECT l.no FROM lease l WHERE (SELECT gap FROM beat) > {gap} ORDER BY l.no FOR UPDATE), \
         granted AS (UPDATE lease l SET until = greatest(l.until, b.at + l.ttl), \
         timeout_at = CASE WHEN l.timeout_at > b.at - b.gap THEN greatest(l.timeout_at, b.at + least(l.ttl, b.gap)) \
         ELSE l.timeout_at END FROM those t, beat b WHERE (SELECT gap FROM beat) > {gap} AND l.no = t.no RETURNING 1) \
         SELECT (SELECT count(*) FROM own), (SELECT gap FROM beat), (SELECT count(*) FROM granted); COMMIT"
    );
    let said = match db.simple_query(&sql).await {
        Ok(said) => said,
        Err(error) => {
            db.batch_execute("ROLLBACK").await?;
            return Err(error.into());
        }
    };
    let unreadable = || PgError::Unreadable("what became of a sign of life".to_owned());
    let row = said.iter().find_map(|one| if let SimpleQueryMessage::Row(row) = one { Some(row) } else { None });
    let row = row.ok_or_else(unreadable)?;
    let number = |at| row.get(at).and_then(|text| text.parse::<i64>().ok());
    let (own, leases) = number(0).zip(number(2)).ok_or_else(unreadable)?;
    let granted = number(1).filter(|found| *found > gap && leases > 0).map(|gap| (gap, leases.unsigned_abs()));
    Ok(Shown { is_own: own > 0, granted })
}
