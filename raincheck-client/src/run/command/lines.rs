//! The two kinds of lines between a worker and a kept program: the job, and its answers. See [`keep`](super::keep).

use serde::{Deserialize, Deserializer, Serialize};

use super::{Plan, scratch::Scratch};
use crate::{
    Error,
    api::{Failure, FailureError, Job, Progress, RawJson, WireDuration},
    client::ResultBody,
    run::{Outcome, Task},
};

/// What a line says.
pub(super) enum Answer {
    /// How far it is.
    Progress(Progress),
    /// How it ended.
    Outcome(Outcome),
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

#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    progress: Option<Progress>,
    #[serde(default, deserialize_with = "even_null")]
    result: Option<RawJson>,
    #[serde(default)]
    error: Option<Fault>,
    #[serde(default)]
    retryable: bool,
    #[serde(default)]
    retry_after: Option<WireDuration>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Fault {
    Text(String),
    Full(FailureError),
}

/// A result of `null` is a result; only a line without the member is none.
fn even_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<RawJson>, D::Error> {
    RawJson::deserialize(deserializer).map(Some)
}

/// `None` when the line is no answer.
pub(super) fn read_answer(line: &[u8]) -> Option<Answer> {
    let line: Line = serde_json::from_slice(line).ok()?;
    if let Some(progress) = line.progress {
        return Some(Answer::Progress(progress));
    }
    let outcome = match line.error {
        Some(fault) => {
            let error = match fault {
                Fault::Text(text) => FailureError { detail: Some(text), ..FailureError::default() },
                Fault::Full(error) => error,
            };
            Outcome::Fail(Failure { error, retryable: line.retryable, retry_after: line.retry_after })
        }
        // Neither: a line of JSON that some library of the program wrote.
        None => Outcome::Complete(ResultBody::Json(line.result?)),
    };
    Some(Answer::Outcome(outcome))
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

    #[test]
    fn only_answers_are_answers() {
        for noise in ["", "x", "1", "[]", "{}", r#"{"level":"info"}"#, r#"{"retryable":true}"#] {
            assert!(read_answer(noise.as_bytes()).is_none(), "{noise}");
        }
        for (line, json) in [(r#"{"result":null}"#, "null"), (r#"{"result":{"a": 1}}"#, r#"{"a": 1}"#)] {
            let Some(Answer::Outcome(Outcome::Complete(ResultBody::Json(result)))) = read_answer(line.as_bytes())
            else {
                panic!("{line} is an answer");
            };
            assert_eq!(result.get(), json);
        }
    }
}
