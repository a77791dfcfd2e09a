//! The way back to those who asked.

use raincheck_core::Reply;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

use crate::StoreError;

pub(crate) type Answer = Result<Vec<Reply>, StoreError>;
pub(crate) type Caller = oneshot::Sender<Answer>;

/// The answers of one transaction. However it ends, they are given: a caller that went away meanwhile loses its
/// answer, not its job.
pub(crate) struct Answers(pub Vec<(Caller, Answer)>);

impl Drop for Answers {
    fn drop(&mut self) {
        for (caller, answer) in self.0.drain(..) {
            let _ = caller.send(answer);
        }
    }
}

/// Gives answers from a task of the callers' runtime: to wake one of its tasks costs a thread outside a lock and often
/// a system call, and within the runtime next to nothing.
pub(crate) struct ReplySender(Option<UnboundedSender<Answers>>);

impl ReplySender {
    /// Of the runtime that this is called in, if it is.
    pub fn new() -> Self {
        let Ok(runtime) = Handle::try_current() else { return ReplySender(None) };
        let (sender, mut bags) = unbounded_channel();
        runtime.spawn(async move { while bags.recv().await.is_some() {} });
        ReplySender(Some(sender))
    }

    /// Sees to it that everybody is answered.
    pub fn give(&self, answers: Answers) {
        if let Some(sender) = &self.0
            && answers.0.len() > 1
        {
            // When the task is gone the answers come back, and are given here as they are dropped.
            let _ = sender.send(answers);
        }
    }
}
