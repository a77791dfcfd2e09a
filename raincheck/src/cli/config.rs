//! `raincheck config init`, `check` and `show`.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::{
    exit::{Exit, Failure},
    output::{self, Format, Output},
    serve::commands,
    stderr,
    style::{Ink, Style},
};
use crate::config::{Config, FILE_NAME, Flags, TEMPLATE, tree::Fault};

/// `raincheck config …`
#[derive(Subcommand, Debug)]
pub enum ConfigCommand {
    /// Write a commented settings file
    Init {
        /// Where.
        #[arg(default_value = FILE_NAME, value_name = "FILE")]
        file: PathBuf,
    },
    /// Check the settings as `serve` would take them
    Check(Which),
    /// Show the settings in force
    Show {
        #[command(flatten)]
        which: Which,
        /// Say where each was said.
        #[arg(long)]
        origin: bool,
        #[command(flatten)]
        output: Output,
    },
}

/// Which file.
#[derive(Args, Debug)]
pub struct Which {
    /// The settings file; ./raincheck.toml, where there is one, if not said.
    #[arg(long, env = "RAINCHECK_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

impl ConfigCommand {
    /// Does it.
    pub fn run(self) -> Result<Exit, Failure> {
        match self {
            Self::Init { file } => init(&file)?,
            Self::Check(which) => {
                let config = load(which.config.as_deref(), &Vec::new())?;
                commands::check(&config)?;
                if let Some(remark) = commands::remark(&config) {
                    stderr::say(&format!("{} {remark}", Style::stderr().paint(Ink::Yellow, "warning:")));
                }
                let file = config.file.as_deref().map_or("no file".to_owned(), |file| file.display().to_string());
                output::print(&format!("{file}: ok\n"))?;
            }
            Self::Show { which, origin, output } => {
                let config = load(which.config.as_deref(), &Vec::new())?;
                match (output.format, origin) {
                    (Format::Table, origin) => output::print(&config.to_toml(origin))?,
                    (Format::Json, true) => output::json(&config.effective(), Format::Json)?,
                    (Format::Jsonl, true) => {
                        config.effective().iter().try_for_each(|one| output::json(one, Format::Jsonl))?
                    }
                    (format, false) => output::json(&config.settings, format)?,
                }
            }
        }
        Ok(Exit::Done)
    }
}

fn init(file: &Path) -> Result<(), Failure> {
    let made = std::fs::OpenOptions::new().write(true).create_new(true).open(file);
    let made = made.and_then(|mut open| std::io::Write::write_all(&mut open, TEMPLATE.as_bytes()));
    match made {
        Ok(()) => output::print(&format!("{}\n", file.display())),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            Err(Failure::usage(format!("{} is there already", file.display()))
                .next("name another: raincheck config init FILE"))
        }
        Err(error) => Err(Failure::usage(format!("cannot write {}: {error}", file.display()))),
    }
}

/// The settings, or everything that is wrong with them.
///
/// # Errors
/// Each fault on a line of its own.
pub fn load(file: Option<&Path>, flags: &Flags) -> Result<Config, Failure> {
    Config::load(file, flags).map_err(wrong)
}

/// Everything that is wrong with the settings.
pub fn wrong(faults: Vec<Fault>) -> Failure {
    let lines: Vec<String> = faults.iter().map(Fault::to_string).collect();
    let advice =
        "`raincheck config show --origin` shows what is in force, `raincheck config init FILE` writes an example";
    Failure::usage(lines.join("\n       ")).next(advice)
}
