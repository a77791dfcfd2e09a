use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use deadpool::Runtime;
use parking_lot::{Mutex, RwLock};
use raincheck_core::limits::STANDSTILL_MILLIS;
use raincheck_core::{IdMint, JobNo, Timestamp};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::sync::mpsc;
use tokio_postgres::{Client, GenericClient};

use crate::blobs::{Blobs, Lying, Refusal, StoreId};
use crate::postgres::connection::connector::{Connector, keeps_statements};
use crate::postgres::connection::db::Db;
use crate::postgres::connection::link::Link;
use crate::postgres::connection::loan::Doubts;
use crate::postgres::connection::pool::{Pool, Readers};
use crate::postgres::connection::timeouts::{LEAST, PATIENCE, within};
use crate::postgres::error::PgError;
use crate::postgres::feed::listen;
use crate::postgres::feed::order::Place;
use crate::postgres::feed::tail;
use crate::postgres::migrate;
use crate::postgres::node;
use crate::postgres::node::clock::{NOW, Time};
use crate::postgres::node::life::Signs;
use crate::postgres::options::PostgresOptions;
use crate::postgres::orphans;
use crate::postgres::partitions::maintain;
use crate::postgres::shared::Shared;
use crate::postgres::store::PostgresStore;
use crate::postgres::tables::counters::Counters;
use crate::postgres::tables::leases;
use crate::postgres::tables::sql::LAST_JOB;
use crate::postgres::writer::scan_start::ScanStarts;
use crate::postgres::writer::state::{self, Bounds, WriterState};
use crate::postgres::writer::sweep;
use crate::postgres::writer::task::Writer;
use crate::{StoreError, clock};

impl PostgresOptions {
    /// A connection of one's own, with the tables there in the present format.
    pub(crate) async fn prepare(&self) -> Result<Client, StoreError> {
        let connector = Connector::new(self)?;
        let mut client = connector.connect().await?;
        migrate::migrate(&mut client, &connector.connect().await?).await?;
        Ok(client)
    }
}

impl PostgresStore {
    /// Opens the data, bringing it to the present format, and starts the writer. A server that starts, follows another or
    /// takes no more connections is waited for, without an end.
    ///
    /// # Errors
    /// [`StoreError::TooNew`] when a newer program wrote the data, [`StoreError::Refused`] when the place of large payloads is
    /// another store's, [`StoreError::Other`] when the database cannot be
    /// reached or is not one to trust data to.
    pub async fn open(options: PostgresOptions) -> Result<Arc<Self>, StoreError> {
        let connector = Connector::new(&options)?;
        let mut said = HashSet::new();
        loop {
            let why = match Self::try_open(&connector, &options).await {
                Err(Halt::NotYet(error)) => error.to_string(),
                Err(Halt::Error(error)) => return Err(error),
                Ok(store) => return Ok(store),
            };
            if !said.contains(&why) {
                tracing::warn!(database = connector.place(), why, "the start waits for the database");
                said.insert(why);
            }
            tokio::time::sleep(LEAST).await;
        }
    }

    async fn try_open(connector: &Connector, options: &PostgresOptions) -> Result<Arc<Self>, Halt> {
        let at = |error| Halt::at(connector, error);
        let probe = connector.link().await.map_err(at)?;
        // It may take long, as to bring much data to another format, but not for the reason that nobody answers.
        tokio::select! {
            opened = Self::open_by(connector, options) => opened,
            silent = until_silent(&probe) => Err(at(silent)),
        }
    }

    async fn open_by(connector: &Connector, options: &PostgresOptions) -> Result<Arc<Self>, Halt> {
        let at = |error| Halt::at(connector, error);
        let mut client = connector.connect().await.map_err(at)?;
        let other = connector.link().await.map_err(at)?;
        keeps_statements(&client, &other).await.map_err(at)?;
        drop(other);
        migrate::migrate(&mut client, &connector.connect().await.map_err(at)?).await?;
        let unusable = |error| options.blobs.unusable(&error);
        let id = id(&client).await.map_err(at)?;
        connector.bind(id);
        let has_payloads = "SELECT EXISTS (SELECT FROM blob WHERE no > 0)";
        let has_payloads: bool = client
            .query_one(has_payloads, &[])
            .await
            .and_then(|row| row.try_get(0))
            .map_err(|error| at(error.into()))?;
        let before = Blobs::at(&options.blobs).map_err(unusable)?;
        if has_payloads && before.owners(&options.blobs).await.map_err(unusable)?.is_empty() {
            return Err(options.blobs.unusable(&Refusal::elsewhere(&options.blobs).into()).into());
        }
        let blobs = Blobs::open(&options.blobs, id).await.map_err(unusable)?;
        let lying = orphans::look(&blobs).await.map_err(unusable)?;
        let doubts = Doubts::default();
        let pool = Pool::builder(Readers(connector.clone()))
            .max_size(options.readers.max(1))
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(PATIENCE))
            .create_timeout(Some(PATIENCE))
            .pre_recycle(doubts.hook())
            .build()
            .map_err(|e| StoreError::Other(e.to_string()))?;
        let secret = secret(&client).await.map_err(at)?;
        let lines = (pool, doubts, connector.tls(), connector.anchor());
        let clocks = (options.clock.clone(), options.time);
        let shared = Arc::new(Shared::new(lines, clocks, blobs, secret, options.partition_length));
        let store = Self::start(&mut client, shared, connector.clone(), lying, options).await.map_err(at)?;
        Ok(store)
    }

    async fn start(
        client: &mut Client,
        shared: Arc<Shared>,
        connector: Connector,
        lying: Vec<Lying>,
        options: &PostgresOptions,
    ) -> Result<Arc<Self>, PgError> {
        shared.meet(&*client).await?;
        let held = node::take(&*client).await?;
        shared.be(&held);
        let db = &*client;
        let now: i64 = db.query_one(&format!("SELECT {NOW}"), &[]).await?.try_get(0)?;
        shared.clock.heard_time(now);
        let feed = db.query_one("SELECT pos, batch, last FROM feed ORDER BY pos DESC LIMIT 1", &[]).await?;
        let place = Place { pos: feed.try_get(0)?, batch: feed.try_get(1)?, last: feed.try_get(2)? };
        let history = shared.history.current();
        shared.feed.begin(place, history);
        shared.names.queues.load(db, history).await?;
        shared.names.kinds.load(db, history).await?;
        *shared.counters.write() = Counters::load(db, &shared.names, shared.history.current()).await?;
        let swept = orphans::sweep(&shared, lying, held.is_first).await;
        swept.map_err(|error| PgError::Unsuitable(error.to_string()))?;
        let last: i64 = db.query_one(LAST_JOB, &[]).await?.try_get(0)?;
        // Numbers of jobs grow with time: it was that late already.
        shared.clock.not_before(Timestamp(last >> 15));
        clock::say("the database", Timestamp(now), Timestamp(last >> 15));
        shared.partitions.load(&*client).await?;
        shared.partitions.make_ahead(client, shared.clock.now()).await?;
        let writer_db = Db::new(connector.link().await?);
        let scan_starts = ScanStarts::new(options.slow_scan);
        sweep::look_ahead(&writer_db, &shared, &scan_starts).await?;
        let signs = begin_life(&*client, &shared, &connector, held.is_alone).await?;

        let state = WriterState {
            mint: IdMint::in_lane(JobNo(last), held.number.unsigned_abs()),
            rng: options.seed.map_or_else(|| rand::make_rng(), StdRng::seed_from_u64),
            identity: shared.identity(),
            history,
            begin: state::begin(held.number),
            tick: last >> 15,
            bounds: Bounds {
                max_queued: options.max_queued,
                max_in_all: options.max_in_all,
                tombstone: options.tombstone,
                feed: options.feed,
                following: options.following,
            },
            counter_places: Mutex::default(),
            scan_starts,
            found_no_name: None,
        };
        let writer = Writer {
            shared: shared.clone(),
            connector: connector.clone(),
            db: Some(writer_db),
            state,
            polled_at: Instant::now(),
            lost_since: None,
            open: None,
            committed: None,
        };
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut tasks = vec![
            tokio::spawn(signs.keep()),
            tokio::spawn(tail::follow(shared.clone())),
            tokio::spawn(maintain::keep(shared.clone())),
        ];
        if options.notify {
            tasks.push(tokio::spawn(listen::listen(shared.clone(), connector.clone())));
        }
        Ok(Arc::new(PostgresStore {
            shared,
            requests: RwLock::new(Some(sender)),
            writer: Mutex::new(Some(tokio::spawn(writer.run(receiver)))),
            tasks: Mutex::new(tasks),
        }))
    }
}

/// Why an attempt to open the data went no further.
enum Halt {
    /// The server is not one to go on with, and may become one; or another node came in between.
    NotYet(PgError),
    Error(StoreError),
}

impl Halt {
    fn at(connector: &Connector, error: PgError) -> Self {
        match error {
            PgError::NotYet(_) | PgError::Standby | PgError::Elsewhere(_) | PgError::Full(_) => Halt::NotYet(error),
            _ if error.is_race() => Halt::NotYet(error),
            _ => Halt::Error(StoreError::Other(format!("{}: {error}", connector.place()))),
        }
    }
}

impl From<StoreError> for Halt {
    fn from(error: StoreError) -> Self {
        Halt::Error(error)
    }
}

/// Asks again and again, and returns when no answer comes.
async fn until_silent(probe: &Link) -> PgError {
    loop {
        let asked = async { Ok(probe.batch_execute("SELECT").await?) };
        if let Err(error) = within(PATIENCE, asked).await {
            return error;
        }
        tokio::time::sleep(LEAST).await;
    }
}

async fn secret(db: &impl GenericClient) -> Result<[u8; 32], PgError> {
    let mut fresh = [0; 32];
    getrandom::fill(&mut fresh).map_err(|e| PgError::Unsuitable(e.to_string()))?;
    kept(db, "secret", fresh).await
}

/// The id that the store's payloads are marked with.
pub(crate) async fn id(db: &impl GenericClient) -> Result<StoreId, PgError> {
    kept(db, "id", StoreId::fresh().0).await.map(StoreId)
}

/// Whoever comes first makes it; everybody reads that one.
async fn kept<const N: usize>(db: &impl GenericClient, name: &str, fresh: [u8; N]) -> Result<[u8; N], PgError> {
    let put = "INSERT INTO meta (name, bytes) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    db.execute(put, &[&name, &&fresh[..]]).await?;
    let row = db.query_one("SELECT bytes FROM meta WHERE name = $1", &[&name]).await?;
    let kept: &[u8] = row.try_get(0)?;
    kept.try_into().map_err(|_| PgError::Unreadable(format!("the {name} of the store has another length")))
}

/// The first sign of life of a node, and the leases as it finds them. When nobody was there to hear heartbeats, each gets its
/// full length again: downtime is not the worker's fault. As long as another node lives, only the time since it last
/// showed that is made up for, as it may have been this node itself. It comes last, as nobody is heard before.
async fn begin_life(
    db: &impl GenericClient,
    shared: &Arc<Shared>,
    connector: &Connector,
    is_alone: bool,
) -> Result<Signs, PgError> {
    let silent = format!("SELECT at < {NOW} - {STANDSTILL_MILLIS} FROM life");
    let is_silent = shared.clock.time == Time::Database && db.query_one(&silent, &[]).await?.try_get(0)?;
    if is_alone || is_silent {
        resume_leases(db, shared).await?;
    }
    let mut signs = Signs::new(shared.clone(), connector.clone());
    // Where it cannot be given yet, no lease is judged before it is.
    signs.give().await;
    for row in db.query(leases::ALL_LEASES, &[]).await? {
        shared.leases.lock().put(leases::kept_lease(&row)?);
    }
    Ok(signs)
}

async fn resume_leases(db: &impl GenericClient, shared: &Shared) -> Result<(), PgError> {
    // In the order in which everybody takes them: nodes that run may settle and renew meanwhile.
    let sql = format!(
        "WITH those AS (SELECT no FROM lease ORDER BY no FOR UPDATE) \
         UPDATE lease l SET ttl = j.ttl, kept = j.ttl, until = m.ticks + j.ttl, \
         timeout_at = m.ticks + greatest(j.timeout - greatest(m.now - j.started_at, 0), 0) \
         FROM those t JOIN job j USING (no), (SELECT coalesce($1, {NOW}) AS ticks, coalesce($2, {NOW}) AS now) AS m WHERE l.no = t.no"
    );
    db.execute(&sql, &[&shared.clock.given_ticks(), &shared.clock.given_now()]).await?;
    Ok(())
}
