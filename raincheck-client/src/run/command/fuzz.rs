//! What a program may write to its worker.

use std::cell::RefCell;

use futures_util::stream;
use raincheck_fuzz::{bytes, check};
use tokio_util::io::StreamReader;

use super::{
    lines::{Asked, Line, read},
    progress,
};
use crate::{api::Progress, run::Outcome};

const LINES: &[&[u8]] = &[
    br#"{"percent":42,"message":"half"}"#,
    br#"{"job":"j","attempt":1,"progress": {"percent": 420, "current": -1, "data": {"a": [1, 2.50]}}}"#,
    br#"{"job":"j","attempt":1,"result": {"b": "x", "a": null}}"#,
    br#"{"job":"j","attempt":1,"result":null}"#,
    br#"{"job":"i","attempt":1,"result":null}"#,
    br#"{"job":"j","attempt":1,"result":NaN}"#,
    br#"{"job":"j","attempt":1,"error":"it broke","retryable":true,"retry_after":"30s"}"#,
    br#"{"error":{"type":"Boom","title":"it broke","detail":"all of it"},"retry_after":99999999999,"job":"j","attempt":1}"#,
    b"{\"percent\":1}\n{\"percent\":2}\nnoise\n{\"percent\":3",
];

#[test]
fn answer_of_a_kept_program() {
    check(bytes(LINES), |line| match read(&line, Asked { job: "j", attempt: 1 }) {
        Line::Log { .. } | Line::Stray { .. } | Line::Broken(_) => {}
        Line::Progress(progress) => taken(progress),
        Line::Answer(Outcome::Complete(result)) => {
            let crate::client::ResultBody::Json(json) = result else { panic!("{result:?}") };
            assert!(serde_json::from_str::<serde::de::IgnoredAny>(json.get()).is_ok());
        }
        Line::Answer(Outcome::Fail(failure)) => {
            assert!(serde_json::to_vec(&failure.acceptable()).is_ok());
        }
        Line::Answer(Outcome::Release(_) | Outcome::Trouble(_)) => panic!("no line says this"),
    });
}

/// The server takes it.
fn taken(progress: Progress) {
    let progress = progress.acceptable();
    assert!(progress.percent.is_none_or(|percent| (0.0..=100.0).contains(&percent)));
    assert!(progress.current.is_none_or(|units| units.is_finite() && units >= 0.0));
    assert!(progress.message.is_none_or(|message| message.len() <= 1_024));
}

#[test]
fn progress_lines() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let read = |text: &[u8], piece: usize| {
        let pieces = text.chunks(piece).map(|piece| Ok::<_, std::io::Error>(bytes::Bytes::copy_from_slice(piece)));
        let seen = RefCell::new(Vec::new());
        let pipe = StreamReader::new(stream::iter(pieces.collect::<Vec<_>>()));
        runtime.block_on(progress::follow(pipe, |progress| {
            seen.borrow_mut().push(serde_json::to_string(&progress).unwrap());
            taken(progress);
        }));
        seen.into_inner()
    };
    check((bytes(LINES), 1..40usize), |(text, piece)| {
        let whole = read(&text, text.len().max(1));
        assert_eq!(read(&text, piece), whole, "how it arrives makes no difference");
        assert!(whole.len() <= text.split(|byte| *byte == b'\n').count());
    });
}
