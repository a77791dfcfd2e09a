//! The two kinds of lines between a worker and a kept program: the job, and its answers. See [`keep`](super::keep).

use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use super::{Plan, scratch::Scratch};
use crate::{
    Error,
    api::{Failure, FailureError, Job, Progress, RawJson, WireDuration},
    client::ResultBody,
    run::{Outcome, Task},
};

/// What a line says.
pub(super) enum Line {
    /// How far the run is.
    Progress(Progress),
    /// How it ended.
    Answer(Outcome),
    /// How another run ended.
    Stray { job: String, attempt: u32 },
    /// Anything else.
    Log {
        /// It would be an answer if it said to what.
        nameless: bool,
    },
}

/// The run that a question is about.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) job: &'a str,
    pub(super) attempt: u32,
}

#[derive(Serialize)]
struct Question<'a> {
    job: &'a Job,
    input: Option<&'a RawJson>,
    attempt: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    input_path: Option<&'a std::path::Path>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<&'a str>,
}

/// Members as they stand: what is no answer may have others of these names.
#[derive(Deserialize)]
struct Members<'a> {
    #[serde(default, borrow)]
    job: Option<&'a RawValue>,
    #[serde(default, borrow)]
    attempt: Option<&'a RawValue>,
    #[serde(default, borrow)]
    progress: Option<&'a RawValue>,
    #[serde(default, borrow, deserialize_with = "even_null")]
    result: Option<&'a RawValue>,
    #[serde(default, borrow)]
    error: Option<&'a RawValue>,
    #[serde(default, borrow)]
    retryable: Option<&'a RawValue>,
    #[serde(default, borrow)]
    retry_after: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Fault {
    Text(String),
    Full(FailureError),
}

/// A result of `null` is a result; only a line without the member is none.
fn even_null<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// Reads what a program wrote while it was asked about this run.
pub(super) fn read(line: &[u8], asked: Asked<'_>) -> Line {
    let Ok(members) = serde_json::from_slice::<Members<'_>>(line) else { return Line::Log { nameless: false } };
    let ends = members.result.is_some() || members.error.is_some();
    let (Some(job), Some(attempt)) = (value::<String>(members.job), value::<u32>(members.attempt)) else {
        return Line::Log { nameless: ends };
    };
    if (job.as_str(), attempt) != (asked.job, asked.attempt) {
        return if ends { Line::Stray { job, attempt } } else { Line::Log { nameless: false } };
    }
    if ends {
        return Line::Answer(outcome(&members).unwrap_or_else(|error| {
            Outcome::retry("invalid-answer", "the kept program's answer cannot be read", error.to_string())
        }));
    }
    value(members.progress).map_or(Line::Log { nameless: false }, Line::Progress)
}

fn outcome(members: &Members<'_>) -> Result<Outcome, serde_json::Error> {
    let Some(fault) = members.error else {
        return Ok(members.result.map_or(ResultBody::None, |result| ResultBody::Json(result.to_owned())).into());
    };
    let error = match serde_json::from_str(fault.get())? {
        Fault::Text(text) => FailureError { detail: Some(text), ..FailureError::default() },
        Fault::Full(error) => error,
    };
    let retryable = members.retryable.map(|value| serde_json::from_str(value.get())).transpose()?.unwrap_or(false);
    let retry_after: Option<WireDuration> =
        members.retry_after.map(|value| serde_json::from_str(value.get())).transpose()?;
    Ok(Outcome::Fail(Failure { error, retryable, retry_after }))
}

fn value<T: DeserializeOwned>(member: Option<&RawValue>) -> Option<T> {
    serde_json::from_str(member?.get()).ok()
}

/// The line for the program, and the file that it may name.
pub(super) async fn question(plan: &Plan, task: &Task) -> Result<(Vec<u8>, Option<Scratch>), Error> {
    let job = Job { input: None, input_href: None, ..task.job().clone() };
    let mut question =
        Question { job: &job, input: None, attempt: task.attempt(), input_path: None, content_type: None };
    let (scratch, content_type, path, json);
    if let Some(input) = task.input_json() {
        question.input = Some(input);
        scratch = None;
    } else if task.job().input_href.is_some() {
        let made = Scratch::new(plan)?;
        path = made.input();
        content_type = task.input_to(&path).await?;
        let is_json = content_type.as_deref().is_some_and(|content_type| content_type.starts_with("application/json"));
        json = match is_json {
            true => tokio::fs::read(&path).await.ok().and_then(|bytes| serde_json::from_slice::<RawJson>(&bytes).ok()),
            false => None,
        };
        question.input = json.as_ref();
        question.content_type = content_type.as_deref();
        question.input_path = question.input.is_none().then_some(path.as_path());
        scratch = Some(made);
    } else {
        scratch = None;
    }
    let mut line = serde_json::to_vec(&question)?;
    // The input is as it was submitted, and that may be over several lines: outside of strings a break is a space,
    // and inside there is none.
    line.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
    line.push(b'\n');
    Ok((line, scratch))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKED: Asked<'_> = Asked { job: "j", attempt: 2 };

    #[test]
    fn only_answers_are_answers() {
        let logs = [
            "",
            "x",
            "1",
            "[]",
            "{}",
            r#"{"level":"info"}"#,
            r#"{"job":"j","attempt":2}"#,
            r#"{"job":"j","attempt":2,"retryable":true}"#,
            r#"{"job":{"id":"j"},"attempt":2,"progress":{"percent":1}}"#,
            r#"{"job":"j","attempt":1,"progress":{"percent":1}}"#,
            r#"{"progress":{"percent":1}}"#,
        ];
        for log in logs {
            assert!(matches!(read(log.as_bytes(), ASKED), Line::Log { nameless: false }), "{log}");
        }
        for log in [r#"{"result":1}"#, r#"{"error":"x","job":"j"}"#, r#"{"job":7,"attempt":2,"result":null}"#] {
            assert!(matches!(read(log.as_bytes(), ASKED), Line::Log { nameless: true }), "{log}");
        }
        for stray in [r#"{"job":"j","attempt":1,"result":1}"#, r#"{"job":"i","attempt":2,"error":"x"}"#] {
            assert!(matches!(read(stray.as_bytes(), ASKED), Line::Stray { .. }), "{stray}");
        }
        for (line, json) in [("null", "null"), (r#"{"a": 1}"#, r#"{"a": 1}"#)] {
            let line = format!(r#"{{"result":{line},"attempt":2,"error":null,"job":"j"}}"#);
            let Line::Answer(Outcome::Complete(ResultBody::Json(result))) = read(line.as_bytes(), ASKED) else {
                panic!("{line} is an answer");
            };
            assert_eq!(result.get(), json);
        }
        let progress = br#"{"job":"j","attempt":2,"progress":{"percent":1}}"#;
        assert!(matches!(read(progress, ASKED), Line::Progress(progress) if progress.percent == Some(1.0)));
    }

    #[test]
    fn an_answer_that_cannot_be_read_ends_its_run_all_the_same() {
        for rest in [r#""error":5"#, r#""error":"x","retryable":"yes""#, r#""error":"x","retry_after":"soon""#] {
            let line = format!(r#"{{"job":"j","attempt":2,{rest}}}"#);
            let Line::Answer(Outcome::Fail(failure)) = read(line.as_bytes(), ASKED) else { panic!("{line}") };
            assert_eq!((failure.error.kind.as_deref(), failure.retryable), (Some("invalid-answer"), true), "{line}");
        }
    }
}
