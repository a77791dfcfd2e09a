//! P9: submits and drains with many jobs waiting in little memory, and behind many urgent jobs that are not due.

use raincheck::{
    bench::{Options, broken::broken, report::Row, server::Server},
    cli::exit::Failure,
};

use crate::{
    group::Group,
    preload::{self, Jobs},
    side::Side,
    sizes::Sizes,
};

/// Jobs waiting where few are meant.
const FEW: usize = 10_000;

/// Measures all three in turns.
pub async fn measure(options: &Options, sizes: &Sizes) -> Result<Vec<Row>, Failure> {
    let folders = (options.scratch()?, options.scratch()?, options.scratch()?);
    let (few, deep, later) = (folders.0.path(), folders.1.path(), folders.2.path());
    preload::fill(few, FEW.min(sizes.deep), Jobs::Waiting).await?;
    preload::fill(deep, sizes.deep, Jobs::Waiting).await?;
    preload::forget(deep)?;
    preload::fill(later, sizes.later, Jobs::Later).await?;
    let group = match sizes.memory {
        0 => Err("not asked for".to_owned()),
        mib => Group::new(mib << 20),
    };
    let prefix = group.as_ref().map(Group::prefix).unwrap_or_default();
    let mut few = Side::new(Server::start(options, few)?)?;
    let mut deep = Side::new(Server::start_under(options, &prefix, deep)?)?;
    let mut later = Side::new(Server::start(options, later)?)?;
    for _ in 0..options.rounds {
        for side in [&mut few, &mut deep, &mut later] {
            side.turn(options).await?;
        }
    }
    let as_few = format!("{} waiting", FEW.min(sizes.deep));
    let mut rows = Vec::new();
    for row in deep.rows("P9", &format!("with {} waiting", sizes.deep), &few, &as_few) {
        rows.push(match &group {
            Ok(group) => {
                let peak = group.peak().ok_or_else(|| broken("the memory of a group cannot be read"))?;
                let note = format!("in {} MiB with page cache, at most {} used", sizes.memory, peak >> 20);
                row.at_least(0.85).note(note)
            }
            // The goal is one of little memory.
            Err(why) => row.note(format!("memory not bounded: {why}")),
        });
    }
    // The group can only go when nothing is in it.
    drop(deep);
    let behind = later.rows("P9", &format!("behind {} urgent jobs not yet due", sizes.later), &few, &as_few);
    rows.extend(behind.map(|row| row.at_least(0.95)));
    Ok(rows)
}
