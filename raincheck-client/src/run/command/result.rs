//! What a program left: which file it is, and what is in it.

use std::{fs::File, io::Read as _, path::Path};

use serde::Deserialize;

use super::scratch::Scratch;
use crate::{Error, api::RawJson, client::ResultBody};

/// A result up to this size is looked into to find its type, in bytes; a larger one is just bytes.
const LOOK_MAX: u64 = 64 * 1024 * 1024;
/// JSON up to this size is sent as a value; in bytes.
const VALUE_MAX: u64 = 64 * 1024;
/// The description of a result is never larger; in bytes.
const META_MAX: u64 = 16 * 1024;

/// What a program may say about its result.
#[derive(Default, Deserialize)]
struct Meta {
    content_type: Option<String>,
    filename: Option<String>,
}

/// The result of a run that succeeded; `output` says whether standard output may be it.
pub(super) async fn collect(scratch: &Scratch, output: bool) -> Result<ResultBody, Error> {
    let failed = |source| Error::io("cannot read the result", source);
    let path = match scratch.result() {
        result if result.is_file() => result,
        _ if output => scratch.output(),
        _ => return Ok(ResultBody::None),
    };
    let (meta, size) = (meta_of(&scratch.meta())?, path.metadata().map_err(failed)?.len());
    let look = move || body_of(&path, size, meta).map_err(failed);
    // What is small is read sooner than a thread is found to do it.
    if size <= VALUE_MAX {
        return look();
    }
    tokio::task::spawn_blocking(look).await.unwrap_or_else(|panic| Err(failed(std::io::Error::other(panic))))
}

fn body_of(path: &Path, size: u64, meta: Meta) -> std::io::Result<ResultBody> {
    if size == 0 && meta.content_type.is_none() && meta.filename.is_none() {
        return Ok(ResultBody::None);
    }
    let typed_json = meta.content_type.as_deref().is_none_or(|content_type| content_type == "application/json");
    if size <= VALUE_MAX && typed_json && meta.filename.is_none() {
        let bytes = std::fs::read(path)?;
        if let Ok(value) = serde_json::from_slice::<RawJson>(&bytes) {
            return Ok(ResultBody::Json(value));
        }
    }
    let content_type = match meta.content_type {
        Some(content_type) => content_type,
        None if size <= LOOK_MAX => look(path)?.to_owned(),
        None => "application/octet-stream".to_owned(),
    };
    Ok(ResultBody::File { path: path.to_owned(), content_type, filename: meta.filename })
}

fn look(path: &Path) -> std::io::Result<&'static str> {
    let bytes = std::fs::read(path)?;
    Ok(if serde_json::from_slice::<serde::de::IgnoredAny>(&bytes).is_ok() {
        "application/json"
    } else if std::str::from_utf8(&bytes).is_ok_and(|text| !text.contains('\0')) {
        "text/plain; charset=utf-8"
    } else {
        "application/octet-stream"
    })
}

fn meta_of(path: &Path) -> Result<Meta, Error> {
    let Ok(file) = File::open(path) else { return Ok(Meta::default()) };
    let mut text = String::new();
    file.take(META_MAX)
        .read_to_string(&mut text)
        .map_err(|source| Error::io("cannot read $RAINCHECK_RESULT_META", source))?;
    let meta: Meta = serde_json::from_str(&text)
        .map_err(|error| Error::io("cannot read $RAINCHECK_RESULT_META", std::io::Error::other(error)))?;
    let visible = |text: &Option<String>| text.as_ref().is_none_or(|text| !text.chars().any(char::is_control));
    if visible(&meta.content_type) && visible(&meta.filename) {
        Ok(meta)
    } else {
        let source = std::io::Error::other("control characters in it");
        Err(Error::io("cannot use $RAINCHECK_RESULT_META", source))
    }
}
