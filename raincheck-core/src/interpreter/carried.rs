use crate::command::{Change, Reply};

/// What a command comes to: everything of it is written, or nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Carried {
    /// The writes of the first decision, which is the only one but where a command is about several jobs.
    pub changes: Vec<Change>,
    /// Those of each further decision, which saw what those before it did.
    pub more: Vec<Vec<Change>>,
    /// The answer, once they are on disk.
    pub reply: Reply,
}

impl From<Reply> for Carried {
    fn from(reply: Reply) -> Self {
        Carried { changes: Vec::new(), more: Vec::new(), reply }
    }
}

impl From<(Reply, Vec<Change>)> for Carried {
    fn from((reply, changes): (Reply, Vec<Change>)) -> Self {
        Carried { changes, more: Vec::new(), reply }
    }
}
