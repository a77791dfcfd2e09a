//! Hands in one run by itself: results that are large or not JSON, and whatever was refused in a batch.

use raincheck_worker::Backoff;
use std::io::ErrorKind;

use crate::{
    Client, Error,
    api::{Failure, FailureError, Finish, FinishAction},
    client::ResultBody,
};

/// Tries until the server knows or the lease is over. A result that the server will not have fails the job.
pub(super) async fn deliver(client: &Client, Finish { lease, action }: Finish) {
    let refused = match action {
        FinishAction::Complete { result } => {
            complete(client, &lease, &result.map_or(ResultBody::None, ResultBody::Json)).await
        }
        FinishAction::Fail(failure) => until_known(|| async { client.fail(&lease, &failure).await.map(drop) }).await,
        FinishAction::Release { delay } => until_known(|| client.release(&lease, delay.map(|delay| delay.0))).await,
    };
    if let Err(error) = refused {
        tracing::error!(%error, "the end of a run was refused; its lease will expire");
    }
}

/// As [`deliver`], for a success.
///
/// # Errors
/// When a file cannot be read; the server knows of no end then.
pub(super) async fn complete(client: &Client, lease: &str, result: &ResultBody) -> Result<(), Error> {
    match until_known(|| async { client.complete(lease, result).await.map(drop) }).await {
        // One that became shorter while it was sent is the run's own mistake, not the disk's.
        Err(error) if !matches!(&error, Error::Io { source, .. } if source.kind() != ErrorKind::UnexpectedEof) => {
            fail_instead(client, lease, &error).await;
            Ok(())
        }
        other => other,
    }
}

/// A result that the server will not have fails its job.
async fn fail_instead(client: &Client, lease: &str, error: &Error) {
    tracing::warn!(%error, "a result was refused; the run counts as failed");
    let source = std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
    let kind = match error.status() {
        // The name that it has wherever it is found out.
        Some(413) => "result-too-large",
        _ => error.slug().filter(|slug| !slug.is_empty()).unwrap_or("result-refused"),
    };
    let failure = Failure {
        error: FailureError {
            kind: Some(kind.to_owned()),
            title: Some("the result could not be stored".into()),
            detail: Some(format!("{error}{source}")),
        },
        retryable: false,
        retry_after: None,
    };
    if let Err(error) = until_known(|| async { client.fail(lease, &failure).await.map(drop) }).await {
        tracing::error!(%error, "the end of a run was refused; its lease will expire");
    }
}

/// `Ok` when the server knows or the lease is over; an error is the server's final word.
async fn until_known<F: Future<Output = Result<(), Error>>>(mut request: impl FnMut() -> F) -> Result<(), Error> {
    let mut backoff = Backoff::default();
    loop {
        match request().await {
            Ok(()) => return Ok(()),
            Err(error) if error.is_lease_lost() => {
                tracing::warn!("a run ended after its lease was lost; its outcome is dropped");
                return Ok(());
            }
            Err(error) if error.is_transient() => {
                tracing::warn!(%error, "cannot hand in what ended; trying on");
                backoff.pause(&error).await;
            }
            Err(error) => return Err(error),
        }
    }
}
