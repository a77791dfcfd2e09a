//! Moving a reader: who has lost an answer finds his own move, who has lost the reader to somebody else is told.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use raincheck_client::{Client, api::Reader};

/// A server that answers one request a connection, as told; `None` breaks the connection.
fn answers(script: Vec<Option<(u16, &'static str)>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for answer in script {
            let (mut connection, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            let whole = |request: &[u8]| {
                request.ends_with(b"}") || request.starts_with(b"GET") && request.ends_with(b"\r\n\r\n")
            };
            while !whole(&request) {
                let mut piece = [0; 1_024];
                let read = connection.read(&mut piece).unwrap();
                assert!(read > 0, "the request broke off");
                request.extend_from_slice(&piece[..read]);
            }
            let Some((status, body)) = answer else { continue };
            let length = body.len();
            write!(
                connection,
                "HTTP/1.1 {status} x\r\netag: \"2\"\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
            )
            .unwrap();
        }
    });
    url
}

const MOVED_ON: (u16, &str) = (412, r#"{"type":"/problems/precondition-failed","status":412}"#);
const THERE: (u16, &str) = (200, r#"{"name":"r","cursor":"b"}"#);

async fn moved(script: Vec<Option<(u16, &'static str)>>) -> Result<Reader, raincheck_client::Error> {
    let client = Client::builder(answers(script)).build().unwrap();
    let reader = Reader { name: "r".into(), cursor: "a".into(), etag: "\"1\"".into(), ..Reader::default() };
    client.move_reader(&reader, "b", true).await
}

#[tokio::test]
async fn a_move_whose_answer_was_lost_is_found() {
    let there = moved(vec![None, Some(MOVED_ON), Some(THERE)]).await.unwrap();
    assert_eq!((there.cursor.as_str(), there.etag.as_str()), ("b", "\"2\""));
    let elsewhere = (200, r#"{"name":"r","cursor":"c"}"#);
    assert_eq!(moved(vec![None, Some(MOVED_ON), Some(elsewhere)]).await.unwrap_err().status(), Some(412));
}

#[tokio::test]
async fn a_move_of_somebody_else_to_the_same_place_is_not_taken_for_ones_own() {
    assert_eq!(moved(vec![Some(MOVED_ON), Some(THERE)]).await.unwrap_err().status(), Some(412));
    // Nothing was done by what was refused for the moment, either.
    let later = (429, r#"{"status":429}"#);
    assert_eq!(moved(vec![Some(later), Some(MOVED_ON), Some(THERE)]).await.unwrap_err().status(), Some(412));
}
