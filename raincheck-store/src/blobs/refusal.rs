use std::path::Path;
use std::{fmt, io};

use super::layout::MARK;
use super::store_id::StoreId;

/// Why a place is not taken, and what to do about it.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub why: String,
    pub next: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for Refusal {}

impl Refusal {
    pub(in crate::blobs) fn foreign(place: &dyn fmt::Display, theirs: &[StoreId], ours: StoreId) -> Self {
        let theirs: Vec<String> = theirs.iter().map(StoreId::to_string).collect();
        Refusal {
            why: format!(
                "{place} belongs to another store: it is marked {}, this store is {ours}",
                theirs.join(" and ")
            ),
            next: format!(
                "give this store a place of its own for large payloads (`blobs` in [store], or another data folder); \
                 only if those are its own payloads, write its id into their mark: {}",
                remark(place, ours)
            ),
        }
    }

    pub(crate) fn unmarked(place: &dyn fmt::Display, holds: &str, ours: Option<StoreId>) -> Self {
        let own = ours.map(|ours| format!("; only if those are its own payloads, mark them: {}", remark(place, ours)));
        Refusal {
            why: format!("{place} holds {holds} and bears no mark of a store: a server keeps its payloads to itself"),
            next: format!("name an empty place, or one that is not there yet{}", own.unwrap_or_default()),
        }
    }

    /// Jobs have payloads, and the place where they should be was never theirs: mostly a disk that is not there now.
    pub(crate) fn elsewhere(place: &dyn fmt::Display) -> Self {
        Refusal {
            why: format!("jobs have large payloads, and {place} bears no mark of their store: they lie elsewhere"),
            next: "mount the disk that they lie on, or name the place (`blobs` in `[store]`, beside the `url` of this \
                   database); go back to a backup if they are gone"
                .to_owned(),
        }
    }

    pub(in crate::blobs) fn in_use(root: &Path) -> Self {
        Refusal {
            why: format!("{} is in use by another process", root.display()),
            next: "stop the server that uses it, or give this one a folder of its own".to_owned(),
        }
    }
}

fn remark(place: &dyn fmt::Display, ours: StoreId) -> String {
    format!("{ours} in {place}/{MARK}")
}

impl From<Refusal> for io::Error {
    fn from(refusal: Refusal) -> Self {
        io::Error::other(refusal)
    }
}
