//! P5b: whole lives of jobs, against the bare handler.

use raincheck::{
    bench::{Options, life, report::Row, series::Series},
    cli::exit::Failure,
};

use crate::bare::{self, Limit};

/// Measures lives: single submits by many callers while workers drain in batches of 32.
pub async fn measure(options: &Options) -> Result<Vec<Row>, Failure> {
    let limit = Limit::of_submits(options).await?;
    let (mut lives, mut limits) = (Series::default(), Series::default());
    for _ in 0..options.rounds {
        lives.push(life::round(options).await?);
        limits.push(limit.rate(options.callers, options.time() / 2).await?);
    }
    Ok(vec![life::row(lives, options.callers).over(bare::NAME, &limits).at_least(0.25)])
}
