//! The supervisors that wait for the next program: about as many as ran at once.

use std::sync::Mutex;

use super::{plan::Plan, supervisor::Supervisor};
use crate::Error;

/// Those of one plan.
#[derive(Default)]
pub(super) struct Supervisors {
    idle: Mutex<Vec<Supervisor>>,
}

impl Supervisors {
    /// One that waits, or a new one.
    pub(super) fn take(&self, plan: &Plan) -> Result<Supervisor, Error> {
        while let Some(mut supervisor) = self.idle.lock().ok().and_then(|mut idle| idle.pop()) {
            if supervisor.is_free() {
                return Ok(supervisor);
            }
            tracing::warn!("an idle supervisor was ended from outside; another one takes its place");
        }
        Supervisor::start(plan)
    }

    /// Ends those that wait: what one was made with may be gone.
    pub(super) fn clear(&self) {
        if let Ok(mut idle) = self.idle.lock() {
            idle.clear();
        }
    }

    /// Takes it back, unless it still runs something or its directory is not usable again; then it is ended.
    pub(super) fn put(&self, mut supervisor: Supervisor, usable: bool) {
        if usable
            && supervisor.is_free()
            && let Ok(mut idle) = self.idle.lock()
        {
            idle.push(supervisor);
        }
    }

    /// As [`Supervisors::put`], once all is removed that its program left, which may take long.
    pub(super) fn clear_and_put(&self, supervisor: Supervisor) {
        match supervisor.scratch.clear() {
            Ok(usable) => self.put(supervisor, usable),
            Err(error) => tracing::warn!(%error, "cannot remove what a program left behind"),
        }
    }
}
