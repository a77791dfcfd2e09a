use raincheck_core::{Command, Job, LeaseRef, Outcome, Reply, Settle};
use raincheck_store::StoreError;

use crate::Engine;
use crate::submit::{file, odd};

/// What a settle came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Finish {
    /// The run has ended so, now or by an equal call before; the job after it.
    Done(Job),
    /// The run was over already, another way; the job as it is.
    LeaseLost(Job),
    /// The job has been purged.
    Gone,
}

impl Engine {
    /// Records the end of a run. A result file that is not kept, because the run was over, is removed.
    pub async fn settle(&self, lease: LeaseRef, outcome: Outcome) -> Result<Finish, StoreError> {
        self.saw_run(lease);
        let mut commands = Vec::with_capacity(2);
        let files = self.settle_commands(vec![(lease, outcome)], &mut commands);
        let replies = self.store().apply(commands).await?;
        let finishes = self.finishes(&files, replies).await?;
        finishes.into_iter().next().ok_or_else(|| StoreError::Other("a settle was not answered".to_owned()))
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
                Outcome::Complete(content) => file(&content.payload),
                _ => None,
            };
            settling.push(Settling { lease, file, at: commands.len() });
            commands.push(Command::Settle(Settle { lease, outcome }));
        }
        settling
    }

    /// Reads the replies to the commands that [`Engine::settle_commands`] made.
    pub(crate) async fn finishes(
        &self,
        settling: &[Settling],
        mut replies: Vec<Reply>,
    ) -> Result<Vec<Finish>, StoreError> {
        let mut finishes = Vec::with_capacity(settling.len());
        for one in settling {
            let reply = replies.get_mut(one.at).map(|reply| std::mem::replace(reply, Reply::Gone));
            let finish = match reply {
                Some(Reply::Job(job)) => Finish::Done(job),
                Some(Reply::LeaseLost(job)) => Finish::LeaseLost(job),
                Some(Reply::Gone) => Finish::Gone,
                Some(other) => return Err(odd(&other)),
                None => return Err(StoreError::Other("a settle was not answered".to_owned())),
            };
            self.drop_unkept(one, &finish).await?;
            finishes.push(finish);
        }
        Ok(finishes)
    }

    /// Removes the file of a result unless the job refers to it: a late or repeated completion keeps none.
    async fn drop_unkept(&self, one: &Settling, finish: &Finish) -> Result<(), StoreError> {
        let Some(name) = &one.file else { return Ok(()) };
        if let Finish::Done(_) = finish
            && let Some(kept) = self.store().result(one.lease.no).await?
            && file(&kept.payload).as_ref() == Some(name)
        {
            return Ok(());
        }
        self.remove_files(vec![name.clone()]).await;
        Ok(())
    }
}

/// A settle on its way.
pub(crate) struct Settling {
    lease: LeaseRef,
    /// The file of its result.
    file: Option<Box<str>>,
    /// Index of its command.
    at: usize,
}
