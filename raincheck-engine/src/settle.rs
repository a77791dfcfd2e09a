//! Runs end.

use raincheck_core::{Command, LeaseRef, Outcome, Payload, Reply, Settle};
use raincheck_store::{StoreError, Unclaimed};

use crate::submit::{keep_all, may_be_done};
use crate::{Engine, Finish, replies};

impl Engine {
    /// Records the end of a run. A result file that is not kept, because the run was over, is removed, also when nobody
    /// waits for the answer any more.
    pub async fn settle(&self, lease: LeaseRef, outcome: Outcome) -> Result<Finish, StoreError> {
        self.saw_run(lease);
        let mut commands = Vec::with_capacity(2);
        let settling = self.settle_commands(vec![(lease, outcome)], &mut commands);
        let finishes = self.settle_all(settling, commands).await?;
        finishes.into_iter().next().ok_or_else(|| StoreError::Other("a settle was not answered".to_owned()))
    }

    /// Carries the commands out that [`Engine::settle_commands`] made.
    pub(crate) async fn settle_all(
        &self,
        settling: Vec<Settling>,
        commands: Vec<Command>,
    ) -> Result<Vec<Finish>, StoreError> {
        if !have_files(&settling) {
            let replies = self.store().apply(commands).await?;
            return self.finishes(settling, replies).await;
        }
        let engine = self.clone();
        let settled = self.see_through(async move {
            match engine.store().apply(commands).await {
                Ok(replies) => engine.finishes(settling, replies).await,
                Err(error) => {
                    if may_be_done(&error) {
                        keep_all(settling.into_iter().filter_map(|one| one.file));
                    }
                    Err(error)
                }
            }
        });
        settled.await?
    }

    /// Appends the commands that settle `ends`: each after the report of its run that still waits to be written.
    /// Answers what [`Engine::finishes`] needs to read the replies.
    pub(crate) fn settle_commands(&self, ends: Vec<(LeaseRef, Outcome)>, commands: &mut Vec<Command>) -> Vec<Settling> {
        let mut settling = Vec::with_capacity(ends.len());
        for (lease, outcome) in ends {
            if let Some(report) = self.0.reports.take(lease) {
                commands.push(Command::Progress(lease, report));
            }
            let file = match &outcome {
                Outcome::Complete(content) => self.own(&content.payload),
                _ => None,
            };
            settling.push(Settling { lease, file, at: commands.len() });
            commands.push(Command::Settle(Settle { lease, outcome }));
        }
        settling
    }

    /// Reads the replies to the commands that [`Engine::settle_commands`] made. To be seen through where there are files.
    pub(crate) async fn finishes(
        &self,
        settling: Vec<Settling>,
        mut replies: Vec<Reply>,
    ) -> Result<Vec<Finish>, StoreError> {
        let mut finishes = Vec::with_capacity(settling.len());
        for one in settling {
            let reply = replies.get_mut(one.at).map(|reply| std::mem::replace(reply, Reply::Gone));
            let Some(reply) = reply else { return Err(StoreError::Other("a settle was not answered".to_owned())) };
            let finish = replies::settle(reply)?;
            self.drop_unkept(one, &finish).await;
            finishes.push(finish);
        }
        Ok(finishes)
    }

    /// Removes the file of a result unless the job refers to it: a late or repeated completion keeps none.
    async fn drop_unkept(&self, one: Settling, finish: &Finish) {
        let Some(file) = one.file else { return };
        if let Finish::Done(_) = finish {
            match self.store().result(one.lease.no).await {
                Ok(Some(kept)) if is(&file, &kept.payload) => return drop(file.claim()),
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(%error, "a result's file stays, whether it is the job's or not");
                    return drop(file.claim());
                }
            }
        }
        self.remove_unclaimed(std::iter::once(file)).await;
    }
}

fn is(file: &Unclaimed, payload: &Payload) -> bool {
    matches!(payload, Payload::Blob { name, .. } if **name == *file.name())
}

/// Whether any of them has a result in a file.
pub(crate) fn have_files(settling: &[Settling]) -> bool {
    settling.iter().any(|one| one.file.is_some())
}

/// A settle on its way.
pub(crate) struct Settling {
    lease: LeaseRef,
    /// The file of its result.
    file: Option<Unclaimed>,
    /// Index of its command.
    at: usize,
}
