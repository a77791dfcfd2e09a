//! What a server, or something in between, may answer; and what of ours goes into a URL.

use axum::http::{HeaderValue, Response};
use raincheck_fuzz::proptest::{collection::vec, option};
use raincheck_fuzz::{bytes, check, texts};
use reqwest::{Url, header};

use super::{
    call::{Answer, encode, with_query},
    result::filename,
};
use crate::Error;

#[test]
fn refusal() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let bodies: [&[u8]; 6] = [
        br#"{"type":"/problems/queue-full","title":"The queue is full","status":503,"detail":"at its bound"}"#,
        br#"{"type":"/problems/validation","title":"x","errors":[{"pointer":"/kind","detail":"is required"}]}"#,
        br#"{"title":null,"errors":[]}"#,
        b"<html><body>502 Bad Gateway</body></html>",
        b"[]",
        b"",
    ];
    let pauses = option::of(bytes(&[b"5", b"0", b"120", b"18446744073709551615", b"Fri, 31 Dec 1999 23:59:59 GMT"]));
    check((400..600u16, pauses, bytes(&bodies)), |(status, pause, body)| {
        let pause = pause.and_then(|pause| HeaderValue::from_bytes(&pause).ok());
        let mut response = Response::builder().status(status);
        if let Some(pause) = &pause {
            response = response.header(header::RETRY_AFTER, pause);
        }
        let response = response.body(body).unwrap().into();
        let answer = runtime.block_on(Answer::read(response, "http://h/jobs".to_owned())).unwrap();
        let Err(error) = answer.accepted() else { panic!("{status} was taken for a success") };
        assert!(!error.to_string().is_empty());
        let Error::Problem { status: received, retry_after, .. } = error else { panic!("{error}") };
        let seconds = pause.and_then(|pause| pause.to_str().ok()?.parse().ok());
        assert_eq!((received, retry_after.map(|pause| pause.as_secs())), (status, seconds));
    });
}

#[test]
fn name_of_a_result() {
    let samples = [
        "attachment; filename=\"a b.txt\"",
        "attachment; filename=\"x\"; filename*=UTF-8''%C3%A4%2F..%5C.txt",
        "attachment; filename=\"../../etc/passwd\"",
        "attachment; filename=..",
        "inline",
    ];
    check(texts(&samples), |disposition| {
        let Some(name) = filename(&disposition) else { return };
        assert!(!matches!(name.as_str(), "" | "." | ".."), "{disposition:?} is {name:?}");
        assert!(!name.contains(|c: char| matches!(c, '/' | '\\') || c.is_control()), "{disposition:?} is {name:?}");
    });
}

#[test]
fn url() {
    let texts =
        || texts(&["01a1fd23-8ee3-7000-8398-19e845bebfe0", "video.compress", ".", "..", "a/b?c#d", "%2e%2E", "ä"]);
    check((texts(), vec((texts(), texts()), 0..4)), |(id, query)| {
        let url = format!("http://h{}", with_query(&format!("/jobs/{}/events", encode(&id)), &query));
        let url: Url = url.parse().unwrap();
        let segments: Vec<_> = url.path_segments().unwrap().collect();
        assert!(matches!(segments[..], ["jobs", _, "events"]), "{id:?} leads to {url}");
        assert_eq!((url.host_str(), url.fragment()), (Some("h"), None));
        assert_eq!(url.query_pairs().into_owned().collect::<Vec<_>>(), query);
    });
}
