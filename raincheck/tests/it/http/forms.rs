//! Bodies that are wrapped: a form with one file, and gzip.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::Method;
use serde_json::{Value, json};

use super::test_server::{Reply, TestServer, path, send, text};

/// More than stands in the database.
const LARGE: usize = 300_000;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A form of these parts: their heads, and their content.
fn form(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut form = Vec::new();
    for (head, content) in parts {
        form.extend_from_slice(format!("--b0und\r\n{head}\r\n\r\n").as_bytes());
        form.extend_from_slice(content);
        form.extend_from_slice(b"\r\n");
    }
    form.extend_from_slice(b"--b0und--\r\n");
    form
}

const FILE: &str = "Content-Disposition: form-data; name=\"file\"; filename=\"é clip.mp4\"\r\nContent-Type: video/mp4";

async fn submit(server: &TestServer, coding: Option<&str>, body: impl Into<reqwest::Body>) -> Reply {
    let mut request = server.ask(Method::POST, "/kinds/k/jobs?label=x");
    request = request.header("content-type", "multipart/form-data; boundary=\"b0und\"");
    if let Some(coding) = coding {
        request = request.header("content-encoding", coding);
    }
    send(request.body(body)).await
}

/// The input of the next job as its worker gets it: type, name and bytes.
async fn input(server: &TestServer) -> (String, String, Vec<u8>) {
    let lease = server.lease("k").await;
    let reply = server.get(&format!("/leases/{}/input", text(&lease["lease"]))).await;
    reply.is(200);
    (reply.header("content-type").to_owned(), reply.header("content-disposition").to_owned(), reply.bytes)
}

/// One byte after the other, as the worst of networks would bring them.
fn dribbled(bytes: Vec<u8>) -> reqwest::Body {
    let pieces = bytes.into_iter().map(|byte| Ok::<_, std::io::Error>(vec![byte]));
    reqwest::Body::wrap_stream(futures_util::stream::iter(pieces))
}

#[tokio::test]
async fn the_file_of_a_form_is_the_input() {
    let server = TestServer::new().await;
    let named = "attachment; filename=\"_ clip.mp4\"; filename*=UTF-8''%C3%A9%20clip.mp4";
    // What looks like a boundary, and is none.
    let tricky = b"\r\n--b0un\r\n\r\n--b0un--\r\n-\r\n--".to_vec();
    let large: Vec<u8> = (0..LARGE).map(|n| (n % 251) as u8).collect();
    for content in [b"".to_vec(), b"x".to_vec(), tricky.clone(), large] {
        submit(&server, None, form(&[(FILE, &content)])).await.is(202);
        assert_eq!(input(&server).await, ("video/mp4".into(), named.into(), content.clone()));
        submit(&server, Some("gzip"), gzip(&form(&[(FILE, &content)]))).await.is(202);
        assert_eq!(input(&server).await.2, content, "in gzip");
    }
    submit(&server, None, dribbled(form(&[(FILE, &tricky)]))).await.is(202);
    assert_eq!(input(&server).await.2, tricky, "byte after byte");
    let untyped = "content-disposition: form-data; name=f; filename=a.bin";
    submit(&server, None, [b"a preamble\r\n", &*form(&[(untyped, b"x")]), b"and more"].concat()).await.is(202);
    let (media, name, _) = input(&server).await;
    assert_eq!((&*media, &*name), ("application/octet-stream", "attachment; filename=\"a.bin\""));
    // JSON is JSON, and the same as without a form.
    let json_file = "Content-Disposition: form-data; name=f; filename=a.json\r\nContent-Type: application/json";
    submit(&server, None, form(&[(json_file, b"{\"a\": 1}")])).await.is(202);
    assert_eq!(server.lease("k").await["job"]["input"], json!({"a": 1}));
    submit(&server, None, form(&[(json_file, b"{\"a\": ")])).await.is(400);
}

#[tokio::test]
async fn of_a_form_nothing_but_one_file_is_taken() {
    let server = TestServer::new().await;
    let field = "Content-Disposition: form-data; name=\"label\"";
    let large = vec![b'x'; LARGE];
    for parts in [
        &[][..],
        &[(field, b"x".as_slice())],
        &[(field, b"x"), (FILE, b"y")],
        &[(FILE, b"y"), (field, b"x")],
        &[(FILE, &large), (FILE, &large)],
    ] {
        for body in [reqwest::Body::from(form(parts)), dribbled(form(parts).into_iter().take(4_000).collect())] {
            let refused = submit(&server, None, body).await;
            if refused.status == 415 {
                assert_eq!(refused.slug(), "unsupported-media-type");
                assert!(text(&refused.json()["detail"]).contains("-F file=@NAME"), "{}", refused.text());
            } else {
                assert!(parts.iter().any(|(_, content)| content.len() == LARGE), "{}", refused.text());
                assert_eq!(refused.is(400).slug(), "invalid-request", "cut off");
            }
        }
    }
    let whole = form(&[(FILE, b"content")]);
    for cut in [0, 1, 20, 60, whole.len() - 20, whole.len() - 5] {
        assert_eq!(submit(&server, None, whole[..cut].to_vec()).await.is(400).slug(), "invalid-request", "{cut}");
    }
    let long_head = format!("{FILE}\r\nX: {}", "x".repeat(9_000));
    submit(&server, None, form(&[(&long_head, b"x")])).await.is(400);
    for media in ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=\"\""] {
        let request = server.ask(Method::POST, "/kinds/k/jobs").header("content-type", media).body(whole.clone());
        assert_eq!(send(request).await.is(415).slug(), "unsupported-media-type", "{media}");
    }
    assert_eq!(server.get("/jobs").await.json()["items"], json!([]), "nothing was made");
}

#[tokio::test]
async fn gzip_is_undone_wherever_a_body_is_taken() {
    let server = TestServer::new().await;
    let post = async |target: &str, media: &str, body: Vec<u8>| {
        let request = server.ask(Method::POST, target).header("content-type", media);
        send(request.header("content-encoding", "GZIP").body(body)).await
    };
    let json = "application/json";
    let submitted = post("/jobs", json, gzip(br#"{"kind": "k", "input": {"a": 1}}"#)).await;
    let job = path(&submitted.is(202).json());
    let batch = gzip(br#"{"jobs": [{"kind": "b"}]}"#);
    post("/jobs/batch", json, batch).await.is(202);
    let lease = server.lease("k").await;
    assert_eq!(lease["job"]["input"], json!({"a": 1}));
    let lease = format!("/leases/{}", text(&lease["lease"]));
    post(&format!("{lease}/stream?offset=0"), "text/plain", gzip(b"streamed")).await.is(200);
    post(&format!("{lease}/log"), "text/plain", gzip(b"logged\n")).await.is(200);
    assert_eq!(server.get(&format!("{job}/stream")).await.text(), "streamed");
    assert_eq!(server.get(&format!("{job}/log")).await.text(), "logged\n");
    let large = "all the same ".repeat(LARGE / 13);
    post(&format!("{lease}/complete"), "text/plain", gzip(large.as_bytes())).await.is(200);
    let result = server.get(&format!("{job}/result")).await;
    assert_eq!((result.is(200).text(), result.header("content-encoding")), (large, ""));
    // The coding is the message's: with it or without, it is the same input.
    let keyed = "/kinds/x/jobs?key=one";
    let plain = send(server.ask(Method::POST, keyed).header("content-type", "text/plain").body("same")).await;
    let coded = post(keyed, "text/plain", gzip(b"same")).await;
    assert_eq!(coded.is(202).header("idempotency-replayed"), "true");
    assert_eq!(coded.json()["id"], plain.is(202).json()["id"]);
    // What is not gzip, or not all of it.
    let whole = gzip(br#"{"kind": "k"}"#);
    for body in [b"{}".to_vec(), whole[..whole.len() - 1].to_vec(), whole[..5].to_vec()] {
        for target in ["/jobs", "/kinds/k/jobs"] {
            let refused = post(target, json, body.clone()).await;
            assert!(text(&refused.is(400).json()["detail"]).contains("gzip"), "{}", refused.text());
        }
    }
    for coding in ["br", "deflate", "gzip, gzip", "gzip, br", "nonsense"] {
        for target in ["/jobs", "/kinds/k/jobs", &format!("{lease}/complete"), &format!("{lease}/log")] {
            let request = server.ask(Method::POST, target).header("content-type", json);
            let refused = send(request.header("content-encoding", coding).body(whole.clone())).await;
            assert_eq!(refused.is(415).slug(), "unsupported-media-type", "{coding} {target}");
            assert_eq!(refused.header("accept-encoding"), "gzip");
        }
    }
}

#[tokio::test]
async fn limits_count_what_comes_out() {
    let server = TestServer::with(|options| options.limits.file = 200_000).await;
    let bomb = gzip(&vec![b'0'; 4 << 20]);
    assert!(bomb.len() < 8_000, "{}", bomb.len());
    for target in ["/jobs", "/kinds/k/jobs"] {
        let request = server.ask(Method::POST, target).header("content-type", "application/json");
        let refused = send(request.header("content-encoding", "gzip").body(bomb.clone())).await;
        assert_eq!(refused.is(413).slug(), "too-large", "{target}");
    }
    let file = submit(&server, Some("gzip"), gzip(&form(&[(FILE, &vec![0; 200_001])]))).await;
    assert_eq!(file.is(413).slug(), "too-large");
    submit(&server, Some("gzip"), gzip(&form(&[(FILE, &vec![0; 200_000])]))).await.is(202);
}

#[tokio::test]
async fn an_empty_file_is_a_result_and_no_result_is_none() {
    let server = TestServer::new().await;
    let run = async |media: Option<&str>, name: Option<&str>| {
        let job = server.job().await;
        let lease = server.lease("k").await;
        let mut request = server.ask(Method::POST, &format!("/leases/{}/complete", text(&lease["lease"])));
        for (header, value) in [("content-type", media), ("content-disposition", name)] {
            request = value.into_iter().fold(request, |request, value| request.header(header, value));
        }
        (job, send(request.body("")).await.is(200).json()["result"].clone())
    };
    let (job, shown) = run(Some("text/plain"), Some("attachment; filename=\"empty.txt\";")).await;
    assert_eq!(
        (&shown["content_type"], &shown["filename"], &shown["size"]),
        (&json!("text/plain"), &json!("empty.txt"), &json!(0))
    );
    let result = server.get(&format!("{job}/result")).await;
    assert_eq!((result.is(200).bytes.len(), result.header("content-length")), (0, "0"));
    assert_eq!(result.header("content-disposition"), "attachment; filename=\"empty.txt\"");
    assert_eq!(result.header("content-type"), "text/plain");
    let events = server.get(&format!("{job}/events")).await.json();
    assert_eq!(events["items"][2]["data"]["result"]["size"], 0, "{events}");
    for media in [None, Some("application/json"), Some("application/x-www-form-urlencoded")] {
        let (job, shown) = run(media, None).await;
        assert_eq!(shown, Value::Null, "{media:?}");
        server.get(&format!("{job}/result")).await.is(204);
    }
}
