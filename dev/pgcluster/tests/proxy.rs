//! What the network does to those who talk through it.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::Duration;

use pgcluster::{Cluster, Proxy};

/// Long enough to notice that something comes.
const A_MOMENT: Duration = Duration::from_millis(300);

/// Answers every byte by its own; the port it listens on.
fn server(own: u8) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                while let Ok(1) = stream.read(&mut [0]) {
                    stream.write_all(&[own]).unwrap();
                }
            });
        }
    });
    port
}

fn connect(proxy: &Proxy) -> TcpStream {
    let url = proxy.url("");
    let at = url.split(['@', '/']).nth(3).unwrap();
    let stream = TcpStream::connect(at).unwrap();
    stream.set_read_timeout(Some(A_MOMENT)).unwrap();
    stream
}

/// Who answers; 0 when nobody does, 1 when the connection has ended.
fn ask(stream: &mut TcpStream) -> u8 {
    if stream.write_all(b"?").is_err() {
        return 1;
    }
    hear(stream)
}

fn hear(stream: &mut TcpStream) -> u8 {
    let mut answer = [0];
    match stream.read(&mut answer) {
        Ok(0) => 1,
        Ok(_) => answer[0],
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => 0,
        Err(_) => 1,
    }
}

#[test]
fn it_leads_elsewhere_and_ends_sessions() {
    let proxy = Proxy::to(server(b'a')).unwrap();
    let mut first = connect(&proxy);
    assert_eq!(ask(&mut first), b'a');
    proxy.lead(server(b'b'));
    let mut second = connect(&proxy);
    assert_eq!((ask(&mut first), ask(&mut second)), (b'a', b'b'));
    proxy.cut();
    assert_eq!((ask(&mut first), ask(&mut second)), (1, 1));
    assert_eq!(ask(&mut connect(&proxy)), b'b');
}

#[test]
fn what_is_frozen_is_late_and_what_is_lost_never_comes() {
    let proxy = Proxy::to(server(b'a')).unwrap();
    let mut first = connect(&proxy);
    assert_eq!(ask(&mut first), b'a');
    proxy.freeze();
    let mut second = connect(&proxy);
    assert_eq!((ask(&mut first), ask(&mut second)), (0, 0));
    proxy.thaw();
    for stream in [&mut first, &mut second] {
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        assert_eq!(hear(stream), b'a');
        stream.set_read_timeout(Some(A_MOMENT)).unwrap();
    }
    proxy.lose();
    let mut third = connect(&proxy);
    assert_eq!((ask(&mut first), ask(&mut third)), (0, 0));
    proxy.clear();
    assert_eq!((ask(&mut first), ask(&mut third), ask(&mut connect(&proxy))), (0, 0, b'a'));
    proxy.cut();
    assert_eq!((ask(&mut first), ask(&mut third)), (1, 1));
}

#[test]
fn a_commit_is_done_and_not_answered() {
    let cluster = Cluster::shared();
    let database = cluster.database().unwrap();
    database.run("CREATE TABLE t (a text)").unwrap();
    let proxy = Proxy::to(cluster.port()).unwrap();
    let put = |text: &str| {
        let mut psql = Command::new("psql");
        psql.args(["--no-psqlrc", "-q", "-v", "ON_ERROR_STOP=1", &proxy.url(database.name())]);
        for sql in ["BEGIN", &format!("INSERT INTO t VALUES ('{text}')"), "COMMIT"] {
            psql.args(["-c", sql]);
        }
        psql.output().unwrap().status.success()
    };
    proxy.lose_commit("lost", server(b'x'));
    assert!(put("other"), "a commit of something else");
    assert_eq!(proxy.commits_lost(), 0);
    assert!(!put("lost"));
    assert_eq!(proxy.commits_lost(), 1);
    assert_eq!(database.run("SELECT string_agg(a, ' ' ORDER BY a) FROM t").unwrap(), "lost other");
    assert_eq!(ask(&mut connect(&proxy)), b'x');
    proxy.lead(cluster.port());
    assert!(put("lost"), "only once");
}
