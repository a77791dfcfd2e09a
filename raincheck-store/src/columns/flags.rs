use raincheck_core::{Job, Method, OnLost};

/// What is one or the other, bit by bit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flags(pub i16);

impl Flags {
    /// It may be repeated.
    pub const GET: i16 = 1;
    /// It was asked to stop.
    pub const CANCEL_REQUESTED: i16 = 2;
    /// It fails when its worker vanishes.
    pub const FAIL_ON_LOST: i16 = 4;

    pub(super) fn of(job: &Job) -> Self {
        let flag = |is_set: bool, bit: i16| if is_set { bit } else { 0 };
        Flags(
            flag(job.method == Method::Get, Self::GET)
                | flag(job.cancel_requested, Self::CANCEL_REQUESTED)
                | flag(job.on_lost == OnLost::Fail, Self::FAIL_ON_LOST),
        )
    }

    pub fn has(self, bit: i16) -> bool {
        self.0 & bit != 0
    }
}
