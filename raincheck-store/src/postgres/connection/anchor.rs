//! Which server a node is on: one for all of its connections, whatever the address leads each of them to. Where one that
//! was replaced goes on as if it had not been, some would be there and others here, and neither would have all.

use parking_lot::Mutex;
use tokio::task::AbortHandle;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Error, SimpleQueryMessage};

use crate::postgres::error::PgError;

/// The timeline of the server, in SQL; it is another one after each promotion. 0 of a standby.
pub(crate) const TIMELINE: &str = "CASE WHEN pg_is_in_recovery() THEN 0 \
    ELSE ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::integer END";

/// Who a server is. A restart makes another one of it, which comes after it.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    /// Where it was found, `host:port`.
    pub place: String,
    /// Of the cluster; 0 where this user may not know it.
    system: i64,
    pub timeline: i32,
    /// When it was started, microseconds.
    started: i64,
}

impl Server {
    /// Asks a server who it is.
    pub async fn ask(client: &Client, place: &str) -> Result<Server, PgError> {
        let found = match Self::ask_for(client, "(SELECT system_identifier FROM pg_control_system())").await {
            Err(error) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => Self::ask_for(client, "0").await,
            found => found,
        };
        let [system, timeline, started] = found?.ok_or_else(|| PgError::Unreadable("who the server is".to_owned()))?;
        let timeline = i32::try_from(timeline).map_err(|_| PgError::Unreadable(format!("timeline {timeline}")))?;
        if timeline == 0 {
            return Err(PgError::Standby);
        }
        Ok(Server { place: place.to_owned(), system, timeline, started })
    }

    async fn ask_for(client: &Client, system: &str) -> Result<Option<[i64; 3]>, Error> {
        let sql =
            format!("SELECT {system}, {TIMELINE}, (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint");
        let said = client.simple_query(&sql).await?;
        let row = said.iter().find_map(|one| if let SimpleQueryMessage::Row(row) = one { Some(row) } else { None });
        let number = |at| row.and_then(|row| row.get(at)).and_then(|text| text.parse::<i64>().ok());
        Ok(number(0).zip(number(1)).zip(number(2)).map(|((system, timeline), started)| [system, timeline, started]))
    }

    fn is_of_system(&self, other: &Server) -> bool {
        self.system == other.system || self.system == 0 || other.system == 0
    }

    /// Of two servers with the same data the one that took over last has the greater timeline. Where that is the same, all
    /// nodes still have to choose the same one.
    fn age(&self) -> (i32, i64) {
        (self.timeline, self.started)
    }

    /// Whether it is the same.
    pub fn is(&self, other: &Server) -> bool {
        self.is_of_system(other) && self.age() == other.age()
    }
}

/// What a connection is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    Work,
    /// It only listens: nobody would find out that it hears nothing any more, so it holds a node nowhere.
    Hints,
}

/// The server that a node is on, for as long as a connection to it lives.
#[derive(Debug, Default)]
pub(crate) struct Anchor(Mutex<Ground>);

#[derive(Debug, Default)]
struct Ground {
    server: Option<Server>,
    /// What keeps connections to it going.
    drivers: Vec<(Use, AbortHandle)>,
}

impl Ground {
    /// A connection to the server lives.
    fn is_held(&self) -> bool {
        self.drivers.iter().any(|(purpose, driver)| *purpose == Use::Work && !driver.is_finished())
    }
}

impl Anchor {
    /// The server that this node is or was on.
    pub fn server(&self) -> Option<Server> {
        self.0.lock().server.clone()
    }

    /// The one that it is on.
    pub fn held(&self) -> Option<Server> {
        let ground = self.0.lock();
        ground.server.clone().filter(|_| ground.is_held())
    }

    /// Puts what leads to servers into the order in which they are to be gone on with.
    pub fn rank<T>(&self, found: &mut [T], server: impl Fn(&T) -> &Server) {
        let Some(on) = self.server().or_else(|| found.first().map(&server).cloned()) else { return };
        found.sort_by_key(|one| std::cmp::Reverse((server(one).is_of_system(&on), server(one).age())));
    }

    /// Takes a connection to a server, or refuses it. One that came after the server that this node is on takes its place:
    /// connections to that one are cut.
    pub fn take(&self, server: &Server, purpose: Use, driver: AbortHandle) -> Result<(), PgError> {
        let mut ground = self.0.lock();
        if let Some(on) = ground.server.clone().filter(|on| !on.is(server)) {
            let is_held = ground.is_held();
            let comes_after = on.is_of_system(server) && on.age() < server.age();
            if is_held && !comes_after {
                return Err(PgError::Elsewhere(refusal(&on, server)));
            }
            if is_held {
                let (from, to) = (&on.place, &server.place);
                let timelines = [on.timeline, server.timeline];
                tracing::warn!(
                    from,
                    to,
                    ?timelines,
                    "a server that came after it takes its place: all connections are made there"
                );
            }
            ground.drivers.drain(..).for_each(|(_, driver)| driver.abort());
            ground.server = None;
        }
        ground.server.get_or_insert_with(|| server.clone());
        ground.drivers.retain(|(_, driver)| !driver.is_finished());
        ground.drivers.push((purpose, driver));
        Ok(())
    }
}

fn refusal(on: &Server, found: &Server) -> String {
    let Server { place, timeline, .. } = on;
    let what = match found {
        found if !found.is_of_system(on) => "it is of another cluster than".to_owned(),
        found if found.timeline < *timeline => format!("it is an older server (timeline {}) than", found.timeline),
        _ => "it was started before, with the same timeline as".to_owned(),
    };
    format!("{what} {place} (timeline {timeline}), which this node is on")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(system: i64, timeline: i32, started: i64) -> Server {
        Server { place: format!("{system}-{timeline}-{started}"), system, timeline, started }
    }

    /// A connection that lives until it is cut.
    fn connection(runtime: &tokio::runtime::Runtime) -> tokio::task::JoinHandle<()> {
        runtime.spawn(std::future::pending())
    }

    #[test]
    fn a_node_is_on_one_server_and_moves_to_a_later_one_as_a_whole() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let anchor = Anchor::default();
        let take = |server: &Server, purpose| {
            let driver = connection(&runtime);
            anchor.take(server, purpose, driver.abort_handle()).map(|()| driver)
        };
        let old = [take(&server(1, 5, 50), Use::Work).unwrap(), take(&server(1, 5, 50), Use::Hints).unwrap()];
        for other in [server(1, 4, 99), server(1, 5, 49), server(2, 9, 99)] {
            assert!(matches!(take(&other, Use::Work), Err(PgError::Elsewhere(_))), "{other:?}");
        }
        take(&server(0, 5, 50), Use::Work).unwrap();
        let new = take(&server(1, 6, 10), Use::Work).unwrap();
        runtime.block_on(async {
            for old in old {
                assert!(old.await.unwrap_err().is_cancelled());
            }
        });
        assert!(!new.is_finished() && take(&server(1, 5, 50), Use::Work).is_err());
        // Restarted, and not yet known to be: what is left of the one before is given up.
        take(&server(1, 6, 11), Use::Work).unwrap();
        runtime.block_on(async { assert!(new.await.unwrap_err().is_cancelled()) });
    }

    #[test]
    fn where_no_connection_lives_any_server_will_do_and_the_last_one_of_the_same_cluster_is_preferred() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let anchor = Anchor::default();
        let [work, hints] = [connection(&runtime), connection(&runtime)];
        anchor.take(&server(1, 5, 50), Use::Work, work.abort_handle()).unwrap();
        anchor.take(&server(1, 5, 50), Use::Hints, hints.abort_handle()).unwrap();
        work.abort();
        runtime.block_on(async { assert!(work.await.unwrap_err().is_cancelled()) });
        let mut found = [server(2, 9, 0), server(1, 3, 0), server(1, 4, 0)];
        anchor.rank(&mut found, |server| server);
        assert_eq!(found.map(|server| server.place), ["1-4-0", "1-3-0", "2-9-0"]);
        anchor.take(&server(2, 9, 0), Use::Work, connection(&runtime).abort_handle()).unwrap();
        runtime.block_on(async { assert!(hints.await.unwrap_err().is_cancelled()) });
    }
}
