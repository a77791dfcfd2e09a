//! A kind that an async function runs.

use std::{future::Future, marker::PhantomData};

use super::{Outcome, Runner, Task};

/// An async function as a runner; made by [`function`].
pub struct Function<F, R> {
    function: F,
    returns: PhantomData<fn() -> R>,
}

/// Runs `function` for each job. It may return an [`Outcome`], a JSON value, a
/// [`ResultBody`](crate::client::ResultBody), `()`, or a `Result` of any of these.
///
/// ```
/// use raincheck_client::run::{Task, function};
///
/// let runner = function(|task: Task| async move {
///     let numbers: Vec<f64> = task.input_as().await?;
///     Ok::<_, raincheck_client::Error>(serde_json::json!(numbers.iter().sum::<f64>()))
/// });
/// ```
///
/// It is told to stop by [`Task::stopped`]; when it does not return within a few seconds, its future is dropped.
pub fn function<F, R>(function: F) -> Function<F, R>
where
    F: Fn(Task) -> R + Send + Sync + 'static,
    R: Future<Output: Into<Outcome>> + Send + 'static,
{
    Function { function, returns: PhantomData }
}

#[async_trait::async_trait]
impl<F, R> Runner for Function<F, R>
where
    F: Fn(Task) -> R + Send + Sync + 'static,
    R: Future<Output: Into<Outcome>> + Send + 'static,
{
    async fn run(&self, task: Task) -> Outcome {
        (self.function)(task).await.into()
    }
}
