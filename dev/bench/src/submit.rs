//! P1, P3: durable submits, one job a call, against the bare handler and against the disk.

use std::iter::once;

use raincheck::{
    bench::{Options, report::Row, series::Series, submit::Submits},
    cli::exit::Failure,
};

use crate::bare::{self, Limit};

/// Measures submits by many callers and by one.
pub async fn measure(options: &Options) -> Result<Vec<Row>, Failure> {
    let limit = Limit::of_submits(options).await?;
    let (mut submits, mut limits) = (Submits::default(), Series::default());
    for _ in 0..options.rounds {
        submits.round(options).await?;
        limits.push(limit.rate(options.callers, options.time()).await?);
    }
    let [many, others @ ..] = submits.rows(options.callers);
    Ok(once(many.over(bare::NAME, &limits).at_least(0.50)).chain(others).collect())
}
