//! Shows that this node lives, and that leases can be renewed. When nobody could for a while, that is given to every
//! running lease that needs it: the silence was not the workers' fault. A run's time limit goes on meanwhile.

use std::sync::Arc;
use std::time::{Duration, Instant};

use raincheck_core::limits::{HEAR_FIRST_MILLIS, STANDSTILL_MILLIS};
use tokio::time::timeout;
use tokio_postgres::SimpleQueryMessage;
use uuid::Uuid;

use crate::postgres::connection::connector::Connector;
use crate::postgres::connection::link::Link;
use crate::postgres::connection::timeouts::{LEAST, within};
use crate::postgres::error::PgError;
use crate::postgres::node::clock::{NOW, Time};
use crate::postgres::shared::Shared;

/// How often a node shows that leases can be renewed: so often that what counts as a silence is none by chance.
const SHOW: Duration = Duration::from_millis(STANDSTILL_MILLIS.unsigned_abs() / 2);
/// How often while it knows of no lease: nothing is lost by a short silence then.
const IDLE: Duration = Duration::from_secs(2);
/// How soon it notices that there is one.
const NOTICE: Duration = Duration::from_millis(250);
/// Another node showed it so lately, milliseconds, that it need not be written once more.
const LATELY: i64 = STANDSTILL_MILLIS / 4;
/// How old what is written of this node itself may be, milliseconds, before it is written anew.
const SEEN: i64 = 1_500;
/// How soon it tries again where it could not.
const AGAIN: Duration = Duration::from_millis(500);
/// How long that may take before the database counts as silent.
const SHOWN: Duration = Duration::from_secs(3);
/// A silence longer than this, milliseconds, gives every lease its whole length again. A shorter one matters to leases
/// whose heartbeats come about as often, and moves their ends by as much: a database that stumbles again and again must
/// not keep a dead worker's runs for ever.
const LONG: i64 = 3_000;
/// Heartbeats come at a third of a lease's length. Longer ones than this, milliseconds, outlast what is not [`LONG`].
const SHORT_LEASE: i64 = 3 * LONG;

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

/// The signs of life of a node, on a connection of their own: whether the database answers is not for those to find out
/// who want something of it. One whose number was given to another takes a new one.
pub(crate) struct Signs {
    shared: Arc<Shared>,
    connector: Connector,
    link: Option<Link>,
    hangs: bool,
    /// A gap longer than this, milliseconds, is a silence. Of a node that just starts each is one, however short: it may
    /// be the only one, and was not there.
    silence: i64,
}

impl Signs {
    pub fn new(shared: Arc<Shared>, connector: Connector) -> Self {
        Signs { shared, connector, link: None, hangs: false, silence: 0 }
    }

    /// Gives them until it is dropped.
    pub async fn keep(mut self) {
        loop {
            let pause = self.give().await;
            // Woken or not: it shows.
            let _ = timeout(pause, self.rested(pause)).await;
        }
    }

    /// Until somebody asks for a sign, or there is a lease when the pause is that of a node without any.
    async fn rested(&self, pause: Duration) {
        while timeout(NOTICE, self.shared.unheard.notified()).await.is_err() {
            if pause == IDLE && !self.shared.leases.lock().is_empty() {
                break;
            }
        }
    }

    /// Gives one; answers how soon the next is due.
    pub async fn give(&mut self) -> Duration {
        match within(SHOWN, show(&self.shared, &self.connector, &mut self.link, self.silence)).await {
            Ok(()) => {
                let is_idle = self.shared.leases.lock().is_empty();
                self.silence = if is_idle { LONG } else { STANDSTILL_MILLIS };
                self.shared.reach.speak();
                if std::mem::take(&mut self.hangs) {
                    tracing::info!("a synchronous standby confirms commits again");
                }
                if is_idle { IDLE } else { SHOW }
            }
            Err(error) => {
                // What is left of a question is not to be waited for.
                self.link = None;
                tracing::debug!(trouble = %error, "this node cannot show that it lives");
                // What was said before goes on to be so where that cannot be asked.
                let may_be = matches!(error, PgError::Silent) || error.is_locked_out();
                let now = may_be && within(LEAST, hang(&self.shared)).await.unwrap_or(self.hangs);
                if now && !self.hangs {
                    tracing::warn!("commits wait for a synchronous standby, and none confirms them");
                }
                self.hangs = now;
                self.shared.fall_mute(if now { &PgError::NoStandby } else { &error });
                AGAIN
            }
        }
    }
}

/// Whether commits wait for a standby.
async fn hang(shared: &Shared) -> Result<bool, PgError> {
    let db = shared.reader(Instant::now() + LEAST).await?;
    Ok(db.query_one(HANGING, &[]).await?.try_get::<_, i64>(0)? > 0)
}

async fn show(shared: &Shared, connector: &Connector, link: &mut Option<Link>, silence: i64) -> Result<(), PgError> {
    let open = link.take().filter(|link| !link.is_closed());
    let db = match open {
        Some(db) => db,
        None => connector.link().await?,
    };
    let (number, token) = shared.identity();
    // Where a test owns the time of leases, the database's says nothing about them.
    let silence = if shared.clock.time == Time::Given { i64::MAX } else { silence };
    let shown = once(&db, (number, token), silence).await?;
    if let Some((gap, leases)) = shown.granted {
        tracing::warn!(gap_ms = gap, leases, "nobody could renew leases for a while; they last for longer");
    }
    if !shown.is_own {
        shared.be_another(&*db, token).await?;
    }
    *link = Some(db);
    Ok(())
}

/// One transaction, sent at once. Who may lock these tables that way could renew leases, and settle.
async fn once(db: &Link, (number, token): (i32, Uuid), silence: i64) -> Result<Shown, PgError> {
    let long = silence.max(LONG);
    // Whoever finds the gap closes it, and the next one finds none: the row is locked. Time limits that have passed
    // meanwhile are looked at when what workers sent was heard.
    let sql = format!(
        "BEGIN; SET LOCAL jit = off; SET LOCAL lock_timeout = '2500ms'; LOCK TABLE job, lease IN ROW EXCLUSIVE MODE; \
         WITH seen AS (UPDATE node SET seen_at = {NOW} \
         WHERE number = {number} AND token = '{token}' AND seen_at < {NOW} - {SEEN}), \
         last AS (SELECT at FROM life WHERE at < {NOW} - {LATELY} FOR UPDATE), \
         beat AS (UPDATE life SET at = {NOW} FROM last RETURNING life.at AS at, life.at - last.at AS gap), \
         those AS (SELECT l.no FROM lease l, beat b WHERE b.gap > {long} \
         OR b.gap > {silence} AND (l.ttl < {SHORT_LEASE} OR l.timeout_at < b.at) ORDER BY l.no FOR UPDATE OF l), \
         granted AS (UPDATE lease l SET timeout_at = greatest(l.timeout_at, b.at + {HEAR_FIRST_MILLIS}), until = \
         greatest(l.until, least(b.at + l.ttl, CASE WHEN b.gap > {long} THEN b.at + l.ttl ELSE l.until + b.gap END)) \
         FROM those t, beat b WHERE l.no = t.no RETURNING 1) \
         SELECT (SELECT count(*) FROM node WHERE number = {number} AND token = '{token}'), \
         (SELECT gap FROM beat), (SELECT count(*) FROM granted); COMMIT"
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
    let granted = number(1).filter(|found| *found > silence && leases > 0).map(|gap| (gap, leases.unsigned_abs()));
    Ok(Shown { is_own: own > 0, granted })
}
