//! How far a run has come, as everyone is shown it.

use raincheck_core::Progress;

use super::Json;

/// Writes the members that there are.
pub fn write_progress(out: &mut Json, progress: &Progress) {
    out.begin();
    if let Some(percent) = progress.percent {
        out.key("percent").float(percent);
    }
    if let Some(current) = progress.current {
        out.key("current").number(current);
    }
    if let Some(total) = progress.total {
        out.key("total").number(total);
    }
    if let Some(message) = &progress.message {
        out.key("message").text(message);
    }
    if let Some(data) = &progress.data {
        out.key("data").raw(data);
    }
    out.end();
}
