//! Inputs and results of any media type and size.

use reqwest::Method;
use serde_json::json;

use super::test_server::{TestServer, path, send, text};

fn noise(bytes: usize) -> Vec<u8> {
    (0..bytes as u64).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

#[tokio::test]
async fn raw_inputs_reach_the_worker_as_they_are() {
    let server = TestServer::new().await;
    for size in [0, 10, 64 << 10, (64 << 10) + 1, 3 << 20] {
        let input = noise(size);
        let request = server.ask(
            Method::POST,
            "/kinds/video.compress/jobs?label=in.mp4&priority=3&tag.a=b&retry.max_attempts=2&retention.succeeded=1d",
        );
        let request = request
            .header("content-type", "video/mp4")
            .header("content-disposition", "attachment; filename=\"in.mp4\"");
        let job = send(request.body(input.clone())).await.is(202).json();
        assert_eq!(
            (&job["label"], &job["priority"], &job["tags"], &job["max_attempts"]),
            (&json!("in.mp4"), &json!(3), &json!({"a": "b"}), &json!(2))
        );
        let leased = server.lease("video.compress").await;
        let shown = &leased["job"];
        if size == 0 {
            assert!(shown["input"].is_null() && shown["input_href"].is_null());
        } else {
            assert_eq!(
                (&shown["input"], &shown["input_type"], &shown["input_size"], &shown["input_filename"]),
                (&json!(null), &json!("video/mp4"), &json!(size), &json!("in.mp4"))
            );
            let input_now = server.get(text(&shown["input_href"])).await;
            input_now.is(200);
            assert!(input_now.bytes == input, "{size} bytes changed");
            assert_eq!(input_now.header("content-type"), "video/mp4");
            let part = send(server.ask(Method::GET, text(&shown["input_href"])).header("range", "bytes=3-5")).await;
            assert_eq!(part.is(206).bytes, input[3..6]);
        }
        server.post(&format!("/leases/{}/release", text(&leased["lease"])), json!({"delay": "1h"})).await.is(200);
    }
}

#[tokio::test]
async fn large_json_rides_apart_and_small_json_along() {
    let server = TestServer::new().await;
    let large = json!({"text": "x".repeat(100_000)});
    server.submit(json!({"kind": "k", "input": large})).await;
    let leased = server.lease("k").await;
    assert!(leased["job"]["input"].is_null());
    assert_eq!(server.get(text(&leased["job"]["input_href"])).await.is(200).json(), large);
    let raw = server
        .ask(Method::POST, "/kinds/r/jobs")
        .header("content-type", "application/json; charset=utf-8")
        .body("{\"a\": 1}");
    send(raw).await.is(202);
    assert_eq!(server.lease("r").await["job"]["input"], json!({"a": 1}));
    let broken = server.ask(Method::POST, "/kinds/r/jobs").header("content-type", "application/json").body("{a");
    assert_eq!(send(broken).await.is(400).slug(), "invalid-request");
}

#[tokio::test]
async fn raw_keys_compare_bytes() {
    let server = TestServer::new().await;
    let post = |body: Vec<u8>| {
        send(server.ask(Method::POST, "/kinds/k/jobs?key=x").header("content-type", "image/png").body(body))
    };
    let first = post(noise(200_000)).await;
    first.is(202);
    let same = post(noise(200_000)).await;
    assert_eq!(same.is(202).header("idempotency-replayed"), "true");
    assert_eq!(same.header("location"), first.header("location"));
    assert_eq!(post(noise(200_001)).await.is(422).slug(), "idempotency-key-reused");
}

#[tokio::test]
async fn results_in_whole_and_in_part() {
    let server = TestServer::new().await;
    for size in [5, 1 << 20] {
        let bytes = noise(size);
        let job = server.job().await;
        let result = format!("{job}/result");
        assert_eq!(server.get(&result).await.is(202).header("location"), format!("{}{job}", server.url));
        let lease = server.lease("k").await;
        let complete = server.ask(Method::POST, &format!("/leases/{}/complete", text(&lease["lease"])));
        let complete = complete
            .header("content-type", "text/html")
            .header("content-disposition", "attachment; filename*=UTF-8''%C3%A9.html");
        let done = send(complete.body(bytes.clone())).await.is(200).json();
        assert_eq!((&done["result"]["size"], &done["result"]["filename"]), (&json!(size), &json!("é.html")));
        assert!(done["result"]["value"].is_null());
        let whole = server.get(&result).await;
        assert!(whole.is(200).bytes == bytes);
        for (name, value) in [
            ("content-type", "text/html"),
            ("accept-ranges", "bytes"),
            ("x-content-type-options", "nosniff"),
            ("content-disposition", "attachment; filename=\"_.html\"; filename*=UTF-8''%C3%A9.html"),
            ("content-length", &size.to_string()),
        ] {
            assert_eq!(whole.header(name), value);
        }
        assert!(whole.header("content-security-policy").contains("sandbox"));
        let etag = whole.header("etag").to_owned();
        assert!(etag.starts_with('"'), "a strong tag: {etag}");
        let ranged = |range: &'static str, tag: Option<&str>| {
            let request = server.ask(Method::GET, &result).header("range", range);
            send(match tag {
                Some(tag) => request.header("if-range", tag),
                None => request,
            })
        };
        let part = ranged("bytes=1-3", None).await;
        assert_eq!(part.is(206).bytes, bytes[1..4]);
        assert_eq!(part.header("content-range"), format!("bytes 1-3/{size}"));
        assert_eq!(ranged("bytes=-2", Some(&etag)).await.is(206).bytes, bytes[size - 2..]);
        assert!(ranged("bytes=1-3", Some("\"other\"")).await.is(200).bytes == bytes);
        let outside = ranged("bytes=99999999-", None).await;
        assert_eq!(outside.is(416).slug(), "range-not-satisfiable");
        assert_eq!(outside.header("content-range"), format!("bytes */{size}"));
        let same = send(server.ask(Method::GET, &result).header("if-none-match", &etag)).await;
        assert_eq!(same.is(304).header("etag"), etag);
        let head = send(server.ask(Method::HEAD, &result)).await;
        assert_eq!(head.is(200).header("content-length"), size.to_string());
    }
}

#[tokio::test]
async fn no_result_is_204_and_a_failed_one_a_problem() {
    let server = TestServer::new().await;
    let job = server.job().await;
    let lease = server.lease("k").await;
    let done =
        send(server.ask(Method::POST, &format!("/leases/{}/complete", text(&lease["lease"])))).await.is(200).json();
    assert!(done["result"].is_null());
    server.get(&format!("{job}/result")).await.is(204);
    server.get("/jobs/0193a7a0-0000-7000-8000-000000000000/result").await.is(404);
    let waited = path(&server.submit(json!({"kind": "k"})).await);
    let url = format!("{waited}/result?wait=30s");
    let (result, _) = tokio::join!(server.get(&url), server.complete("k", json!({"a": 1})));
    assert_eq!(result.is(200).text(), "{\"a\":1}");
}
