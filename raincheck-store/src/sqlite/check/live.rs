//! The look of a server at its own data.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::Result;

use super::examiner::{Apart, Examiner, rows};
use super::stage::Throttle;
use super::stages::held::Held;
use crate::checkup::Checkup;
use crate::sqlite::shared::Shared;

/// The look of a server at its own data, while it serves: what takes long in one piece is left out.
pub(crate) fn of_live(shared: &Arc<Shared>) -> Result<Box<dyn Checkup>> {
    let db = shared.open_reader()?;
    db.execute_batch("PRAGMA cache_size = -512")?;
    let throttle = Throttle {
        piece: Duration::from_millis(2),
        whole: Duration::from_millis(50),
        alone: false,
        files: true,
        payloads: false,
    };
    let mut stages = rows();
    stages.push_back(Box::new(Held::new(shared.clone())));
    Ok(Box::new(Apart(Some(Examiner { db, blobs: shared.folder.clone(), throttle, stages, budget: None }))))
}
