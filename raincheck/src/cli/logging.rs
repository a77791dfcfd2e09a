//! Log lines on standard error: for people, or one JSON object a line.

use std::{fmt, sync::OnceLock};

use tracing::{Event, Subscriber, field::Visit};
use tracing_subscriber::{
    EnvFilter, Registry,
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer, time::FormatTime},
    layer::SubscriberExt as _,
    registry::LookupSpan,
    reload,
    util::SubscriberInitExt as _,
};

use super::stderr::Log;
use crate::config::sections::LogFormat;

static LEVEL: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();

/// The filter that a level stands for.
///
/// # Errors
/// When it is none.
pub fn filter(level: &str) -> Result<EnvFilter, String> {
    // A bare word that is no level would be taken for the name of a module.
    let word =
        level.split(',').find(|part| !part.contains('=') && part.parse::<tracing::Level>().is_err() && *part != "off");
    match word {
        Some(word) => Err(format!("`{word}` is not a level")),
        // What the pool of connections says of each is said once by whoever misses one, unless it is asked for by name.
        None => EnvFilter::try_new(format!("deadpool.postgres=off,{level}")).map_err(|error| error.to_string()),
    }
}

/// Starts writing log lines. A second call changes nothing.
pub fn start(level: &str, format: LogFormat) {
    let Ok(filter) = filter(level) else { return };
    let (filter, handle) = reload::Layer::new(filter);
    let registry = tracing_subscriber::registry().with(filter);
    let is_json = format == LogFormat::Json;
    let layer = tracing_subscriber::fmt::layer().with_writer(move || Log::of(is_json));
    let started = match format {
        LogFormat::Json => registry.with(layer.with_ansi(false).event_format(Lines)).try_init(),
        LogFormat::Pretty => {
            let ansi = super::style::Style::stderr().is_terminal()
                && std::env::var_os("NO_COLOR").is_none_or(|no| no.is_empty());
            registry.with(layer.with_ansi(ansi).with_target(false)).try_init()
        }
    };
    if started.is_ok() {
        let _ = LEVEL.set(handle);
    }
}

/// Changes the level while running.
pub fn reload(level: &str) {
    if let (Some(handle), Ok(filter)) = (LEVEL.get(), filter(level)) {
        let _ = handle.reload(filter);
    }
}

/// `{"time","level","msg",…fields}`
struct Lines;

impl<S: Subscriber + for<'a> LookupSpan<'a>, N: for<'a> FormatFields<'a> + 'static> FormatEvent<S, N> for Lines {
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields(serde_json::Map::new());
        event.record(&mut fields);
        let mut time = String::new();
        tracing_subscriber::fmt::time::SystemTime.format_time(&mut Writer::new(&mut time))?;
        let metadata = event.metadata();
        let text = |text: &str| serde_json::Value::from(text).to_string();
        let msg = fields.0.remove("message").unwrap_or_default();
        write!(
            writer,
            "{{\"time\":{},\"level\":{},\"msg\":{msg}",
            text(&time),
            text(&metadata.level().as_str().to_lowercase())
        )?;
        write!(writer, ",\"target\":{}", text(metadata.target()))?;
        for (name, value) in fields.0 {
            write!(writer, ",{}:{value}", text(&name))?;
        }
        writeln!(writer, "}}")
    }
}

struct Fields(serde_json::Map<String, serde_json::Value>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &tracing::field::Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_u64(&mut self, field: &tracing::field::Field, value: u64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_i64(&mut self, field: &tracing::field::Field, value: i64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_bool(&mut self, field: &tracing::field::Field, value: bool) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_f64(&mut self, field: &tracing::field::Field, value: f64) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

#[cfg(test)]
mod tests {
    use super::filter;

    #[test]
    fn levels_are_checked() {
        for good in ["info", "warn,raincheck_engine=debug", "off", "DEBUG"] {
            assert!(filter(good).is_ok(), "{good}");
        }
        for bad in ["loud", "info,loud", "raincheck=loud"] {
            assert!(filter(bad).is_err(), "{bad}");
        }
    }
}
