//! The two kinds of lines between a worker and a kept program: the job, and its answers. See [`keep`](super::keep).

use std::collections::BTreeMap;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use super::{
    members::{Members, was_meant},
    plan::Plan,
    scratch::Scratch,
};
use crate::{
    Error,
    api::{Failure, FailureError, Job, Progress, RawJson, WireDuration},
    aside::aside,
    client::ResultBody,
    run::{Outcome, Task},
};

/// What a line says.
pub(super) enum Line {
    /// How far the run is.
    Progress(Progress),
    /// How it ended.
    Answer(Outcome),
    /// It was meant to say how it ended, and cannot be read: why.
    Broken(String),
    /// How another run ended.
    Stray { job: String, attempt: u32 },
    /// Anything else.
    Log {
        /// What it lacks to be the answer that it may have been meant as.
        doubt: Option<&'static str>,
    },
}

/// Of an end of a run that does not say of which.
const NAMELESS: &str =
    "a line of a kept program has a result or an error and does not name its `job` and `attempt`: it is taken for log";
/// Of a line that says of which run it is, and has one other member, which no answer has.
const ENDLESS: &str = "a line of a kept program names its `job` and `attempt` and has no `result`, `error` or `progress`: it \
                       is taken for log";

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

/// Reads what a program wrote while it was asked about this run.
pub(super) fn read(line: &[u8], asked: Asked<'_>) -> Line {
    let members = match serde_json::from_slice::<Members<'_>>(line) {
        Ok(members) => members,
        Err(error) if was_meant(line, asked.job) => return Line::Broken(format!("it is not valid JSON: {error}")),
        Err(_) => return Line::Log { doubt: None },
    };
    let ends = members.result.is_some() || members.fault().is_some();
    let job = value::<String>(members.job);
    let (job, attempt) = match (job, members.attempt.map(|attempt| serde_json::from_str::<u32>(attempt.get()))) {
        (Some(job), Some(Ok(attempt))) => (job, attempt),
        (Some(job), Some(Err(_))) if ends && job == asked.job => {
            return Line::Broken(format!("/attempt must be the number {}", asked.attempt));
        }
        _ => return Line::Log { doubt: ends.then_some(NAMELESS) },
    };
    if (job.as_str(), attempt) != (asked.job, asked.attempt) {
        return if ends { Line::Stray { job, attempt } } else { Line::Log { doubt: None } };
    }
    if ends {
        return outcome(&members).map_or_else(Line::Broken, Line::Answer);
    }
    match (value(members.progress), members.misspelt_end()) {
        (Some(progress), _) => Line::Progress(progress),
        (None, Some(name)) => Line::Broken(format!("it has `{name}` instead of `result` or `error`")),
        (None, None) if members.error.is_some() => Line::Broken("`error` is null, and there is no `result`".into()),
        (None, None) => Line::Log { doubt: (members.progress.is_none() && members.has_one_other()).then_some(ENDLESS) },
    }
}

/// How the run ended, or why that cannot be told.
fn outcome(members: &Members<'_>) -> Result<Outcome, String> {
    if members.doubled {
        return Err("a member is there twice".into());
    }
    let Some(fault) = members.fault() else {
        return Ok(members.result.map_or(ResultBody::None, |result| ResultBody::Json(result.to_owned())).into());
    };
    let error = match value(Some(fault)) {
        Some(text) => FailureError { detail: Some(text), ..FailureError::default() },
        None => read_error(fault)?,
    };
    let retryable: Option<bool> = read_member(members.retryable, "/retryable", "true or false")?;
    let duration = "a duration, such as \"90s\" or whole seconds";
    let retry_after: Option<WireDuration> = read_member(members.retry_after, "/retry_after", duration)?;
    Ok(Outcome::Fail(Failure { error, retryable: retryable.unwrap_or(false), retry_after }))
}

fn read_error(fault: &RawValue) -> Result<FailureError, String> {
    let members: BTreeMap<String, Box<RawValue>> =
        value(Some(fault)).ok_or("/error must be a text, or an object with `type`, `title` and `detail`")?;
    let member = |name| read_member(members.get(name).map(|value| &**value), &format!("/error/{name}"), "a text");
    Ok(FailureError { kind: member("type")?, title: member("title")?, detail: member("detail")? })
}

/// A member that may be left out, or what it should be, at its place.
fn read_member<T: DeserializeOwned>(member: Option<&RawValue>, place: &str, what: &str) -> Result<Option<T>, String> {
    member.map_or(Ok(None), |member| serde_json::from_str(member.get()).map_err(|_| format!("{place} must be {what}")))
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
            true => {
                let path = path.clone();
                let bytes = aside(move || std::fs::read(path)).await;
                let bytes = bytes.map_err(|source| Error::io("cannot read the input", source))?;
                serde_json::from_slice::<RawJson>(&bytes).ok()
            }
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
            r#"{"level":"info","job":"j","attempt":2,"msg":"found","results":3}"#,
            r#"{"job":"j","job":"j","attempt":2}"#,
            r#"{"job":"j","attempt":2,"progress":"half"}"#,
            r#"{"job":"j","attempt":"2","msg":"loading"}"#,
            r#"{"level":"info","job":"j","ratio":NaN}"#,
            r#"{"job":"i","attempt":2,"result":NaN}"#,
            r#"answer: {"job":"j","attempt":2,"result":NaN}"#,
            r#"{"job":{"id":"j"},"attempt":2,"progress":{"percent":1}}"#,
            r#"{"job":"j","attempt":1,"progress":{"percent":1}}"#,
            r#"{"progress":{"percent":1}}"#,
        ];
        for log in logs {
            assert!(matches!(read(log.as_bytes(), ASKED), Line::Log { doubt: None }), "{log}");
        }
        for log in [r#"{"result":1}"#, r#"{"error":"x","job":"j"}"#, r#"{"job":7,"attempt":2,"result":null}"#] {
            assert!(matches!(read(log.as_bytes(), ASKED), Line::Log { doubt: Some(NAMELESS) }), "{log}");
        }
        for log in [
            r#"{"job":"j","attempt":2,"output":1}"#,
            r#"{"job":"j","attempt":2,"msg":"loading"}"#,
            r#"{"job":"j","attempt":2,"err":"slow"}"#,
        ] {
            assert!(matches!(read(log.as_bytes(), ASKED), Line::Log { doubt: Some(ENDLESS) }), "{log}");
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
        for (line, why) in [
            (r#"{"job": "j", "attempt": 2, "result": NaN}"#, "not valid JSON: expected value at line 1 column 38"),
            (r#"{"job":"j","attempt":2,"result":{"a":1,}}"#, "not valid JSON"),
            ("{'job': 'j', 'attempt': 2, 'result': None}", "not valid JSON"),
            (r#"{"job":"j","attempt":2,"result":1} done"#, "not valid JSON"),
            (r#"{"job":"j","attempt":2,"error":null}"#, "`error` is null"),
            (r#"{"job":"j","attempt":"2","result":1}"#, "/attempt must be the number 2"),
            (r#"{"job":"j","attempt":2.5,"error":"x"}"#, "/attempt must be the number 2"),
            (r#"{"job":"j","attempt":null,"result":1}"#, "/attempt must be the number 2"),
            (r#"{"job":"j","attempt":2,"reslut":5}"#, "`reslut` instead of"),
            (r#"{"job":"j","attempt":2,"Error":"x","retryable":true}"#, "`Error` instead of"),
            (r#"{"job":"j","attempt":2,"result":1,"result":2}"#, "there twice"),
            (r#"{"job":"j","attempt":2,"error":5}"#, "/error must be a text, or an object with `type`"),
            (r#"{"job":"j","attempt":2,"error":["x"]}"#, "/error must be a text, or an object"),
            (r#"{"job":"j","attempt":2,"error":{"title":"x","detail":{}}}"#, "/error/detail must be a text"),
            (r#"{"job":"j","attempt":2,"error":{"type":7}}"#, "/error/type must be a text"),
            (r#"{"job":"j","attempt":2,"error":"x","retryable":"yes"}"#, "/retryable must be true or false"),
            (r#"{"job":"j","attempt":2,"error":"x","retry_after":"soon"}"#, "/retry_after must be a duration, such as"),
            (r#"{"job":"j","attempt":2,"error":"x","retry_after":{}}"#, "/retry_after must be a duration, such as"),
        ] {
            let Line::Broken(reason) = read(line.as_bytes(), ASKED) else { panic!("{line}") };
            assert!(reason.contains(why), "{line}: {reason}");
            let names_a_type =
                ["Fault", "FailureError", "Members", "struct", "enum", "variant", "u32", "sequence", "a map"];
            assert!(!names_a_type.iter().any(|word| reason.contains(word)), "{line}: {reason}");
        }
        let not_text = b"{\"job\":\"j\",\"attempt\":2,\"result\":\"\xff\"}";
        assert!(matches!(read(not_text, ASKED), Line::Broken(_)));
    }
}
