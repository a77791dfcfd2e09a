//! Inputs: JSON passes through byte for byte; what is large goes to a file.

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName};
use raincheck_core::{Content, Digest, Sameness};
use raincheck_engine::digest;
use raincheck_store::BlobUse;

use super::resolve::Input;
use crate::app::App;
use crate::problem::{Problem, Violation};
use crate::upload;
use crate::wire::{Present, too_deep};

static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The `input` member of a JSON body; a part of it, not a copy.
pub async fn json(app: &App, text: &Bytes, input: Option<Present<'_>>) -> Result<Input, Problem> {
    let Some(Present(raw)) = input else { return Ok(Input::default()) };
    let bytes = text.slice_ref(raw.get().as_bytes());
    if too_deep(&bytes) {
        return Err(Problem::bad("the input is nested deeper than 128")
            .errors(vec![Violation::new("/input", "is nested too deeply")]));
    }
    let (payload, file) = upload::keep(app, BlobUse::Input, bytes.clone()).await?;
    // Of what is kept apart from its job, to tell later whether it is what it was.
    let digest = if file.is_some() { digest(&bytes) } else { Digest::default() };
    Ok(Input { content: Content { payload, digest, ..Content::default() }, sameness: Sameness::Text(bytes), file })
}

/// The W3C Trace Context of the request, when it is well formed.
pub fn traceparent(headers: &HeaderMap) -> Option<Box<str>> {
    let text = headers.get(&TRACEPARENT)?.to_str().ok()?;
    let parts: Vec<&str> = text.split('-').collect();
    let hex = |part: &str, length| part.len() == length && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let [version, trace, parent, flags] = parts[..] else { return None };
    let good = hex(version, 2) && version != "ff" && hex(trace, 32) && hex(parent, 16) && hex(flags, 2);
    let zero = |part: &str| part.bytes().all(|b| b == b'0');
    (good && !zero(trace) && !zero(parent)).then(|| text.into())
}
