//! The example, run.

#[path = "../../examples/embed.rs"]
#[allow(dead_code, reason = "its `main` is for those who run it")]
mod example;

use axum::Router;
use example::Program;
use raincheck_http::{Options, router};
use reqwest::{Client, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// A listener on a free port, and its URL.
async fn port() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, url)
}

fn serve(listener: TcpListener, routes: Router) {
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn a_program_has_the_api_under_a_prefix_beside_its_own_routes() {
    let folder = tempfile::tempdir().unwrap();
    let (listener, url) = port().await;
    let program = Program::start(folder.path(), &url).await.unwrap();
    serve(listener, program.routes.clone());
    let client = Client::builder().no_proxy().build().unwrap();

    let text = json!("to be or not to be");
    let made = client.post(format!("{url}/raincheck/kinds/text.count/jobs")).json(&text).send().await.unwrap();
    assert_eq!(made.status(), 202);
    let job = header(&made, "location").to_owned();
    assert!(job.starts_with(&format!("{url}/raincheck/jobs/")), "{job}");
    let done = client.get(format!("{job}?wait=30s")).send().await.unwrap();
    assert_eq!(done.status(), 200);
    assert_eq!(header(&done, "cache-control"), "no-store");
    assert_eq!(done.json::<Value>().await.unwrap()["result"]["value"], 6);
    let events = client.get(format!("{job}/events")).header("accept", "text/event-stream").send().await.unwrap();
    assert!(events.text().await.unwrap().contains("succeeded"), "read to its end");

    assert_eq!(client.get(format!("{url}/finished")).send().await.unwrap().text().await.unwrap(), "1");
    assert_eq!(client.get(format!("{url}/raincheck/livez")).send().await.unwrap().status(), 200);
    let refused = client.patch(format!("{url}/raincheck/jobs")).send().await.unwrap();
    assert_eq!((refused.status().as_u16(), header(&refused, "allow")), (405, "POST,GET,HEAD"));
    let missing = client.get(format!("{url}/raincheck/nowhere")).send().await.unwrap();
    assert_eq!(missing.status(), 404);
    assert_eq!(missing.json::<Value>().await.unwrap()["type"], format!("{url}/raincheck/problems/not-found"));
    program.stop().await;
}

#[tokio::test]
async fn merged_it_answers_what_the_program_does_not_and_asks_for_its_token() {
    let folder = tempfile::tempdir().unwrap();
    let (listener, url) = port().await;
    let program = Program::start(folder.path(), &url).await.unwrap();
    let own = Router::new().route("/hello", axum::routing::get(|| async { "hello" }));
    let options = Options { admin_token: Some("secret".to_owned()), ..Options::default() };
    serve(listener, own.merge(router(program.engine.clone(), options).unwrap()));
    let client = Client::builder().no_proxy().build().unwrap();

    assert_eq!(client.get(format!("{url}/hello")).send().await.unwrap().text().await.unwrap(), "hello");
    for path in ["/jobs", "/nowhere"] {
        let refused = client.get(format!("{url}{path}")).send().await.unwrap();
        assert_eq!(
            (refused.status().as_u16(), header(&refused, "www-authenticate")),
            (401, "Bearer realm=\"raincheck\"")
        );
    }
    let list = client.get(format!("{url}/jobs")).bearer_auth("secret").send().await.unwrap();
    assert_eq!(list.status(), 200);
    program.stop().await;
}
