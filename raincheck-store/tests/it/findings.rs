//! What a look from outside finds.

use raincheck_store::{Checkup, Finding, Invariant};

/// All of it.
pub async fn findings(mut doctor: impl Checkup) -> Vec<Finding> {
    let mut all = Vec::new();
    while let Some(page) = doctor.page().await.unwrap() {
        all.extend(page.findings);
    }
    // The cluster of all tests runs without `fsync`, and says so.
    all.retain(|finding| finding.invariant != Invariant::Journal);
    all
}
