//! What a program left: which file it is, and what is in it.

use std::{
    fs::File,
    io::{self, Read as _},
    os::fd::{AsFd as _, BorrowedFd},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use serde::Deserialize;

use super::{
    health, left,
    output::{Kept, Output},
    scratch::{META, RESULT, Scratch},
};
use crate::{Error, api::RawJson, aside::aside, client::ResultBody, run::Outcome};

/// A result up to this size is looked into to find its type, in bytes; a larger one is just bytes.
const LOOK_MAX: u64 = 64 * 1024 * 1024;
/// A result up to this size is sent from memory, JSON as a value; in bytes.
const VALUE_MAX: u64 = 64 * 1024;
/// JSON that nests deeper is no JSON to the server.
const DEPTH_MAX: usize = 128;
/// The description of a result is never larger; in bytes.
const META_MAX: u64 = 16 * 1024;
/// What a program left is read in so long, or it is something that never ends.
const READ_WITHIN: Duration = Duration::from_secs(120);

/// What a program may say about its result.
#[derive(Default, Deserialize)]
struct Meta {
    content_type: Option<String>,
    filename: Option<String>,
}

/// The result of a run that succeeded, or its failure; `output` is standard output, if that may be it.
pub(super) async fn collect(scratch: &Scratch, output: Option<Output>, most: u64) -> Result<ResultBody, Outcome> {
    let directory = scratch.directory();
    let output = match output {
        // The disk's fault and not the program's.
        Some(output) => {
            output.take().await.map_err(|error| Outcome::of_error(&Error::io("cannot keep standard output", error)))?
        }
        None => Kept::Memory(bytes::BytesMut::new()),
    };
    let is_there = |name| left::is_there(&directory, name).map_err(|error| unusable("cannot look for a result", error));
    if let (Kept::Memory(bytes), false, false) = (&output, is_there(RESULT)?, is_there(META)?) {
        // Most of them: what is in memory already needs no thread.
        return Ok(in_memory(bytes.clone().freeze(), Meta::default()));
    }
    let gather = aside(move || Ok(gather(directory.as_fd(), output, most)));
    match tokio::time::timeout(READ_WITHIN, gather).await {
        Ok(Ok(gathered)) => gathered,
        // No thread to do it: no program makes that.
        Ok(Err(error)) => Err(Outcome::of_error(&Error::io("cannot read the result", error))),
        Err(_) => Err(unusable("cannot read the result", io::ErrorKind::TimedOut.into())),
    }
}

/// The failure of a run that wrote more than the server takes.
pub(super) fn too_large(most: u64) -> Outcome {
    Outcome::fail("result-too-large", format!("the result is over the limit of {most} bytes"), "")
}

/// The fault of the program, unless no program makes such an error.
fn unusable(what: &'static str, error: io::Error) -> Outcome {
    let detail = error.to_string();
    let error = Error::io(what, error);
    if health::is_own(&error) { Outcome::of_error(&error) } else { Outcome::fail("invalid-result", what, detail) }
}

fn gather(directory: BorrowedFd<'_>, output: Kept, most: u64) -> Result<ResultBody, Outcome> {
    let meta = meta_of(directory).map_err(|error| unusable("cannot use $RAINCHECK_RESULT_META", error))?;
    let result = left::open(directory, RESULT).map_err(|error| unusable("cannot use $RAINCHECK_RESULT", error))?;
    let (file, size) = match (result, output) {
        (Some((file, size)), _) => (Arc::new(file), size),
        (None, Kept::Memory(bytes)) => return Ok(in_memory(bytes.freeze(), meta)),
        (None, Kept::File(file, size)) => (file, size),
    };
    if size > most {
        return Err(too_large(most));
    }
    in_file(file, size, meta).map_err(|error| unusable("cannot read the result", error))
}

fn in_memory(bytes: Bytes, meta: Meta) -> ResultBody {
    let Meta { content_type, filename } = meta;
    if bytes.is_empty() && content_type.is_none() && filename.is_none() {
        return ResultBody::None;
    }
    let typed_json = content_type.as_deref().is_none_or(|content_type| content_type == "application/json");
    if bytes.len() as u64 <= VALUE_MAX
        && typed_json
        && filename.is_none()
        && (content_type.is_some() || is_json(&bytes))
        && let Ok(value) = serde_json::from_slice::<RawJson>(&bytes)
    {
        return ResultBody::Json(value);
    }
    let content_type = content_type.unwrap_or_else(|| look(&bytes).to_owned());
    ResultBody::Bytes { bytes, content_type, filename }
}

fn in_file(file: Arc<File>, size: u64, meta: Meta) -> io::Result<ResultBody> {
    // No more than it had: it may grow while it is read.
    let read = || -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        (&*file).take(size).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    if size <= VALUE_MAX {
        return Ok(in_memory(read()?.into(), meta));
    }
    let content_type = match meta.content_type {
        Some(content_type) => content_type,
        None if size <= LOOK_MAX => {
            rewind(&file)?;
            look(&read()?).to_owned()
        }
        None => "application/octet-stream".to_owned(),
    };
    Ok(ResultBody::OpenFile { file, size, content_type, filename: meta.filename })
}

/// The one of standard output stands where it was last written.
fn rewind(mut file: &File) -> io::Result<()> {
    io::Seek::rewind(&mut file)
}

fn look(bytes: &[u8]) -> &'static str {
    if is_json(bytes) {
        "application/json"
    } else if std::str::from_utf8(bytes).is_ok_and(|text| !text.contains('\0')) {
        "text/plain; charset=utf-8"
    } else {
        "application/octet-stream"
    }
}

/// Whether the server would take it for JSON, too.
fn is_json(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok()
        && serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok()
        && depth(bytes) <= DEPTH_MAX
}

/// How deep arrays and objects nest in valid JSON.
fn depth(json: &[u8]) -> usize {
    let (mut depth, mut deepest, mut quoted, mut escaped) = (0usize, 0, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'{' | b'[' if !quoted => depth += 1,
            b'}' | b']' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

fn meta_of(directory: BorrowedFd<'_>) -> io::Result<Meta> {
    let Some((file, size)) = left::open(directory, META)? else { return Ok(Meta::default()) };
    if size > META_MAX {
        return Err(io::Error::other(format!("it is larger than {META_MAX} bytes")));
    }
    let mut text = String::new();
    file.take(size).read_to_string(&mut text)?;
    let meta: Meta = serde_json::from_str(&text).map_err(io::Error::other)?;
    let visible = |text: &Option<String>| text.as_ref().is_none_or(|text| !text.chars().any(char::is_control));
    if visible(&meta.content_type) && visible(&meta.filename) {
        Ok(meta)
    } else {
        Err(io::Error::other("there are control characters in it"))
    }
}
