//! A server that starts before its database takes connections, and what it says meanwhile.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::Child;
use std::sync::{Arc, Mutex};

use pgcluster::{Cluster, Proxy, Replication, Settings};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use super::{LIMIT, Node, TestSite};
use crate::cli::command;
use crate::server::until;

/// A server from its first moment on.
struct Starting {
    child: Child,
    said: Arc<Mutex<Vec<String>>>,
}

impl Starting {
    fn on(store: &str, folder: &Path) -> Starting {
        let arguments =
            ["serve", "--listen", "127.0.0.1:0", "--log-format", "json", "--data", "data", "--store", store];
        let mut child = command(folder, &arguments).spawn().unwrap();
        let (said, lines) =
            (Arc::<Mutex<Vec<String>>>::default(), BufReader::new(child.stderr.take().unwrap()).lines());
        let kept = said.clone();
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| kept.lock().unwrap().push(line)));
        Starting { child, said }
    }

    /// How many lines hold this.
    fn count(&self, what: &str) -> usize {
        self.said.lock().unwrap().iter().filter(|line| line.contains(what)).count()
    }

    async fn says(&self, what: &str) {
        until(what, LIMIT, async || self.count(what) > 0).await;
    }

    /// It waits, and has said so once.
    async fn waits(&self, why: &str) {
        self.says(why).await;
        assert_eq!((self.count("the start waits"), self.count(r#""msg":"ready""#)), (1, 0), "{:#?}", self.said);
    }

    async fn is_ready_after_one_remark(&self) {
        self.says(r#""msg":"ready""#).await;
        assert_eq!(self.count("the start waits"), 1, "{:#?}", self.said);
    }

    fn terminate(mut self) -> Option<i32> {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        // Already gone is fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_waits_for_a_standby_that_is_to_take_over() {
    let primary = Cluster::start(Settings::default()).unwrap();
    let standby = primary.standby(Replication::Asynchronous).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let server = Starting::on(&standby.url("postgres"), folder.path());
    server.waits("it is a standby, or read-only").await;
    standby.promote().unwrap();
    server.is_ready_after_one_remark().await;
}

#[tokio::test]
async fn a_start_waits_for_room_and_ends_when_it_is_told_to() {
    let site = TestSite::new();
    site.database
        .run("CREATE ROLE crowded LOGIN CONNECTION LIMIT 0; GRANT CREATE ON SCHEMA public TO crowded")
        .unwrap();
    let url = site.database.url().replace("raincheck@", "crowded@");
    let (one, other) = (Starting::on(&url, site.path()), Starting::on(&url, site.path()));
    one.waits("too many connections for role").await;
    other.waits("too many connections for role").await;
    assert_eq!(other.terminate(), Some(0));
    // Enough to begin with, and not for what comes then.
    site.database.run("ALTER ROLE crowded CONNECTION LIMIT 2").unwrap();
    until("it has come further", LIMIT, async || {
        let seen = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'crowded'";
        site.database.run(seen).unwrap() != "0"
    })
    .await;
    site.database.run("ALTER ROLE crowded CONNECTION LIMIT 50").unwrap();
    one.is_ready_after_one_remark().await;
}

/// What a server says that starts or recovers, and a pooler that has none.
#[tokio::test]
async fn a_start_waits_for_whoever_says_not_yet() {
    for (code, words) in [("57P03", "the database system is starting up"), ("08P01", "no more connections allowed")] {
        let site = TestSite::new();
        let way = Proxy::to(refuse_all(code, words)).unwrap();
        let server = Starting::on(&way.url(site.database.name()), site.path());
        server.waits(words).await;
        way.lead(site.database.cluster().port());
        server.is_ready_after_one_remark().await;
    }
}

/// Answers whoever connects with an error.
fn refuse_all(code: &'static str, words: &'static str) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut client in listener.incoming().map_while(Result::ok) {
            let fields = format!("SFATAL\0VFATAL\0C{code}\0M{words}\0\0");
            let length = u32::try_from(fields.len() + 4).unwrap().to_be_bytes();
            loop {
                // A request for TLS is refused, what comes then is the greeting.
                let mut head = [0; 8];
                if client.read_exact(&mut head).is_err() {
                    break;
                }
                let asks_for_tls = head[4..] == 80_877_103_u32.to_be_bytes();
                let answer = if asks_for_tls { b"N".to_vec() } else { [b"E", &length[..], fields.as_bytes()].concat() };
                if client.write_all(&answer).is_err() || !asks_for_tls {
                    break;
                }
            }
        }
    });
    port
}

#[tokio::test]
async fn what_is_so_for_every_connection_is_said_once() {
    let site = TestSite::new();
    let server = Starting::on(&site.database.url(), site.path());
    server.says(r#""msg":"ready""#).await;
    site.database.disconnect().unwrap();
    let other = site.node();
    other.insist("/jobs", &json!({"kind": "k"})).await;
    until("it has looked for its connections", LIMIT, async || {
        let alive = "SELECT count(*) > 1 FROM node WHERE seen_at > (extract(epoch FROM now()) * 1000)::bigint - 1000";
        site.database.run(alive).unwrap() == "t"
    })
    .await;
    assert_eq!(server.count("fsync is off"), 1, "{:#?}", server.said);
    assert_eq!(server.count("deadpool"), 0, "{:#?}", server.said);
    assert_eq!(server.terminate(), Some(0));
}

#[tokio::test]
async fn a_password_may_change_while_a_node_runs() {
    let cluster = Cluster::start(Settings::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let run = |sql: &str| cluster.run("postgres", sql).unwrap();
    run("CREATE ROLE keyed LOGIN PASSWORD 'one'; GRANT CREATE ON SCHEMA public TO keyed");
    let access = run("SHOW hba_file");
    run(&format!("COPY (VALUES ('host all keyed all scram-sha-256'), ('host all all all trust')) TO '{access}'"));
    run("SELECT pg_reload_conf()");
    let url = cluster.url("postgres").replace("raincheck@", "keyed@");
    let (settings, password) = (folder.path().join("raincheck.toml"), folder.path().join("password"));
    std::fs::write(settings, format!("[store]\nurl = \"{url}\"\npassword = \"file:password\"\n")).unwrap();
    std::fs::write(&password, "one\n").unwrap();
    let server = crate::server::Server::start(folder.path(), &[]);
    let node = Node { server, http: reqwest::Client::new() };
    node.submit().await;
    run("ALTER ROLE keyed PASSWORD 'two'");
    until("the old one is refused", LIMIT, async || {
        cluster.disconnect("postgres").unwrap();
        node.get("/readyz").await.0 == 503
    })
    .await;
    std::fs::write(&password, "two\n").unwrap();
    node.insist("/jobs", &json!({"kind": "k"})).await;
}
