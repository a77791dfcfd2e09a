//! All rows, each in turn.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{ALLOW, AUTHORIZATION, HOST, WWW_AUTHENTICATE};
use http::{Method, Request};
use raincheck_core::{Clock, SteadyClock};
use raincheck_engine::{Engine, Settings};
use raincheck_store::{SqliteOptions, SqliteStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tower::Service;

use super::document::DOCUMENT;
use super::embed::unsaid;
use super::problem::Problem;
use super::routes::{PAGES, ROUTES};
use super::scope::Scope;
use super::{Options, router};

const TOKEN: &str = "secret";

/// Who may use what, said a second time: a row that gets another scope is a change of what a token is good for.
const BY_SCOPE: [(Scope, &str); 6] = [
    (
        Scope::Open,
        "GET /livez, GET /readyz, GET /problems/{slug}, GET /assets/raincheck.css, GET /assets/icon.svg, GET /assets/job.js, GET /assets/api.js",
    ),
    (Scope::Any, "GET /openapi.json, GET /docs"),
    (
        Scope::Submit,
        "POST /jobs, POST /jobs/batch, PUT /jobs/{id}, POST /kinds/{kind}/jobs, GET /jobs/{id}, GET /jobs/{id}/result, \
         GET /jobs/{id}/stream, GET /jobs/{id}/events",
    ),
    (
        Scope::Read,
        "GET /, GET /jobs, GET /jobs/{id}/log, GET /events, GET /kinds, GET /kinds/{kind}, GET /queues, GET /queues/{name}, \
         GET /readers, GET /readers/{name}, PUT /readers/{name}, DELETE /readers/{name}, GET /workers, GET /metrics",
    ),
    (
        Scope::Work,
        "POST /leases, POST /leases/heartbeat, POST /leases/{lease}/heartbeat, POST /leases/{lease}/complete, \
         POST /leases/{lease}/fail, POST /leases/{lease}/release, GET /leases/{lease}/input, POST /leases/{lease}/stream, \
         POST /leases/{lease}/log",
    ),
    (
        Scope::Admin,
        "DELETE /jobs/{id}, POST /jobs/{id}/cancel, POST /jobs/{id}/rerun, POST /jobs/{id}/run-now, PATCH /queues/{name}",
    ),
];

/// A router that asks for a token, and the folder of its store.
async fn guarded() -> (Router, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let clock: Arc<dyn Clock> = Arc::new(SteadyClock::default());
    let options = SqliteOptions { clock: clock.clone(), ..SqliteOptions::in_folder(folder.path()) };
    let engine = Engine::start(SqliteStore::open(options).unwrap(), clock, Settings::default()).await.unwrap();
    let options = Options { admin_token: Some(TOKEN.to_owned()), ..Options::default() };
    (router(engine, options).unwrap(), folder)
}

async fn ask(router: &Router, method: Method, path: &str, token: Option<&str>) -> Response {
    let path = path.replace("{id}", "00000000-0000-0000-0000-000000000001").replace(['{', '}'], "");
    let mut request = Request::builder().method(method).uri(path).header(HOST, "localhost");
    if let Some(token) = token {
        request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    }
    let Ok(answer) = router.clone().call(request.body(Body::empty()).unwrap()).await;
    answer
}

#[test]
fn every_row_has_an_operation_and_every_operation_a_row() {
    let document = serde_json::to_value(&*DOCUMENT).unwrap();
    let operations: BTreeSet<(String, String)> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, item)| item.as_object().unwrap().keys().map(|method| (path.clone(), method.to_uppercase())))
        .collect();
    let rows: Vec<(String, String)> = ROUTES.iter().map(|row| (row.path.to_owned(), row.method.to_string())).collect();
    assert_eq!(rows.iter().cloned().collect::<BTreeSet<_>>(), operations);
    assert_eq!(rows.len(), operations.len(), "each once");
}

#[test]
fn every_row_has_the_scope_that_is_meant_for_it() {
    let meant: BTreeMap<String, String> = BY_SCOPE
        .into_iter()
        .flat_map(|(scope, rows)| rows.split(", ").map(move |row| (row.to_owned(), format!("{scope:?}"))))
        .collect();
    let rows = ROUTES.iter().chain(PAGES);
    let is = rows.map(|row| (format!("{} {}", row.method, row.path), format!("{:?}", row.access.scope)));
    assert_eq!(is.collect::<BTreeMap<_, _>>(), meant);
}

#[tokio::test]
async fn no_row_is_open_to_those_without_the_token_but_where_its_scope_says_so() {
    let (router, _folder) = guarded().await;
    let mut refused = Vec::new();
    for row in ROUTES.iter().chain(PAGES) {
        for token in [None, Some("wrong")] {
            let answer = ask(&router, row.method.clone(), row.path, token).await;
            let is_refused = answer.status() == 401 && answer.headers().contains_key(WWW_AUTHENTICATE);
            assert_eq!(is_refused, row.access.scope != Scope::Open, "{} {} {token:?}", row.method, row.path);
            if is_refused && !refused.contains(&row.access.scope) {
                refused.push(row.access.scope);
            }
        }
        let answer = ask(&router, row.method.clone(), row.path, Some(TOKEN)).await;
        assert!(
            !matches!(answer.status().as_u16(), 401 | 403 | 405),
            "{} {} {}",
            row.method,
            row.path,
            answer.status()
        );
    }
    assert_eq!(refused.len(), 5, "one row of each scope at least: {refused:?}");
    for (method, path) in [(Method::GET, "/nowhere"), (Method::TRACE, "/jobs")] {
        assert_eq!(ask(&router, method.clone(), path, None).await.status(), 401, "{method} {path}");
    }
    assert_eq!(ask(&router, Method::GET, "/nowhere", Some(TOKEN)).await.status(), 404);
}

#[tokio::test]
async fn another_method_is_answered_with_those_that_rows_have() {
    let (router, _folder) = guarded().await;
    let mut methods: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for row in ROUTES.iter().chain(PAGES) {
        let all = methods.entry(row.path).or_default();
        assert!(all.insert(row.method.as_str()), "{} {} has two rows", row.method, row.path);
        if row.method == Method::GET {
            all.insert("HEAD");
        }
    }
    for (path, methods) in methods {
        let answer = ask(&router, Method::TRACE, path, Some(TOKEN)).await;
        assert_eq!(answer.status(), 405, "{path}");
        let allow = answer.headers()[ALLOW].to_str().unwrap();
        assert_eq!(allow.split(',').collect::<BTreeSet<_>>(), methods, "{path}");
    }
}

#[tokio::test]
async fn of_an_answer_that_must_not_be_given_a_program_sends_nothing() {
    let answer = || async { unsaid(Problem::no_room().into_response()) };
    let routes = Router::new().route("/", get(|| async { Problem::no_room() }).post(answer));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    let said = async |method: &str| {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request =
            format!("{method} / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    assert!(said("GET").await.starts_with("HTTP/1.1 503"));
    assert_eq!(said("POST").await, "");
}
