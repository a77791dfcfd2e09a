//! Hurts the release binary on purpose and holds it to `docs/guarantees.md`: `cargo xtask torture`.

mod campaign;
mod campaigns;
mod content;
mod http;
mod load;
mod log;
mod oracle;
mod queues;
mod round;
mod scratch;
mod server;
mod shim;
mod sim_disk;
mod tally;
mod test_server;
mod wire;
mod zombie;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::Parser;

use campaign::{Campaign, Order};
use campaigns::CAMPAIGNS;

/// Campaigns against the release binary; without a name, the list of them.
#[derive(Parser)]
#[command(name = "cargo xtask torture")]
struct Options {
    /// Which campaigns, in this order.
    names: Vec<String>,
    /// One more campaign; can be given again.
    #[arg(long = "campaign", value_name = "NAME")]
    more: Vec<String>,
    /// How many loops instead of those of the short form.
    #[arg(long)]
    loops: Option<u32>,
    /// Draws jobs, keys and load as an earlier run did; without it one is drawn and printed.
    #[arg(long)]
    seed: Option<u64>,
    /// Every campaign in its short form, as `cargo xtask test` runs them.
    #[arg(long, conflicts_with_all = ["names", "more", "loops"])]
    short: bool,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let done = match &words[..] {
        [first, url, name] if first == zombie::ARGUMENT => zombie::main(url, name),
        _ => run(&Options::parse()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    let named = options.names.iter().chain(&options.more).map(|name| {
        let found = CAMPAIGNS.iter().find(|campaign| campaign.name == *name);
        found.with_context(|| format!("no campaign `{name}`; without a name they are listed"))
    });
    let chosen: Vec<&Campaign> =
        if options.short { CAMPAIGNS.iter().collect() } else { named.collect::<Result<_>>()? };
    if chosen.is_empty() {
        if options.loops.is_some() || options.seed.is_some() {
            bail!("name a campaign");
        }
        for campaign in CAMPAIGNS {
            println!("{:14} {} ({} loops in the short form)", campaign.name, campaign.about, campaign.short_loops);
        }
        return Ok(());
    }
    for campaign in chosen {
        let seed = options.seed.unwrap_or_else(rand::random);
        let order = Order { name: campaign.name, loops: options.loops.unwrap_or(campaign.short_loops), seed };
        println!("{}: {} loops, --seed {seed}", order.name, order.loops);
        let begin = Instant::now();
        let tally = (campaign.run)(&order).with_context(|| format!("{} failed, --seed {seed}", order.name))?;
        println!("{}: ok in {:.1} s\n{tally}", order.name, begin.elapsed().as_secs_f64());
    }
    Ok(())
}
