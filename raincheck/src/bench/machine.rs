//! The machine that figures are true of.

use serde::Serialize;

/// What matters about it.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// The processor's name.
    pub processor: String,
    /// How many of it this process may use.
    pub processors: usize,
    /// Memory, MiB.
    pub memory_mib: Option<u64>,
    /// The system and its release.
    pub system: String,
    /// This program's version.
    pub version: String,
    /// Whether it was built with optimisation; figures of a debug build mean nothing.
    pub release_build: bool,
    /// When.
    pub date: String,
}

impl Machine {
    /// This one, now.
    pub fn this() -> Self {
        let line = |file: &str, name: &str| {
            let text = std::fs::read_to_string(file).ok()?;
            let line = text.lines().find(|line| line.starts_with(name))?;
            line.split_once(':').map(|(_, value)| value.trim().to_owned())
        };
        let memory = line("/proc/meminfo", "MemTotal").and_then(|text| text.split(' ').next()?.parse::<u64>().ok());
        let system = rustix::system::uname();
        Self {
            processor: line("/proc/cpuinfo", "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            memory_mib: memory.map(|kib| kib / 1_024),
            system: format!("{} {}", system.sysname().to_string_lossy(), system.release().to_string_lossy()),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            release_build: !cfg!(debug_assertions),
            date: jiff::Zoned::now().date().to_string(),
        }
    }
}
