//! Campaigns that hurt the release binary on purpose. A row in the table is all that a new one needs:
//! `cargo xtask test` runs its short form, `cargo xtask torture NAME [--loops N] [--seed N]` as long as you like.

use anyhow::{Context, Result, bail};

/// One campaign; it fails on the first broken promise and names the seed that shows it again.
pub struct Campaign {
    /// What `cargo xtask torture` calls it.
    pub name: &'static str,
    /// One line for the list.
    pub about: &'static str,
    /// Loops within `cargo xtask test`.
    pub short_loops: u32,
    /// Loops and seed in; without a seed it draws one and prints it.
    pub run: fn(u32, Option<u64>) -> Result<()>,
}

/// Every campaign.
pub const CAMPAIGNS: &[Campaign] = &[];

/// `cargo xtask torture …`
pub fn command(args: &[&str]) -> Result<()> {
    let Some((name, mut options)) = args.split_first() else {
        for campaign in CAMPAIGNS {
            println!("{:16} {} ({} loops in `test`)", campaign.name, campaign.about, campaign.short_loops);
        }
        println!("{} campaigns", CAMPAIGNS.len());
        return Ok(());
    };
    let campaign = CAMPAIGNS.iter().find(|campaign| campaign.name == *name);
    let campaign = campaign.with_context(|| format!("no campaign `{name}`; `cargo xtask torture` lists them"))?;
    let (mut loops, mut seed) = (campaign.short_loops, None);
    while let [option, value, rest @ ..] = options {
        match *option {
            "--loops" => loops = value.parse().context("--loops takes a number")?,
            "--seed" => seed = Some(value.parse().context("--seed takes a number")?),
            other => bail!("unknown option {other}"),
        }
        options = rest;
    }
    if let [stray] = options {
        bail!("{stray} needs a value");
    }
    (campaign.run)(loops, seed)
}
