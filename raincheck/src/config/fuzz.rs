//! `raincheck.toml`, the environment and units, whatever stands in them.

use raincheck_fuzz::proptest::{collection::vec, prelude::any};
use raincheck_fuzz::{check, texts};
use serde::Deserialize as _;
use serde::de::IntoDeserializer as _;
use serde::de::value::{Error, StrDeserializer};

use super::*;

/// What `load` makes of a file's text, without the file.
fn load(text: &str, variables: Vec<(String, String)>) -> Result<Config, Vec<Fault>> {
    let mut tree = file::parse(Path::new(FILE_NAME), text).map_err(|fault| vec![fault])?;
    env::overlay(&mut tree, variables);
    let mut settings: Settings = read::read(&tree)?;
    settings.defaults = settings.defaults.complete();
    let faults = check::check(&settings, &tree);
    if faults.is_empty() { Ok(Config { settings, file: None, tree }) } else { Err(faults) }
}

const SMALL: &str = "[server]\nlisten = \"127.0.0.1:1\"\nfailed_status = 200\nhosts = [\"a\"]\n[limits]\nwait = \"50s\"\njson_body = 1_048_576\n[defaults]\ntimeout = \"1h\"\nretry = { max_attempts = 3, factor = 2.5, jitter = false }\n[queues.media]\nconcurrency = 4\n[kinds.\"a.b\"]\nrun = [\"x\", \"y z\"]\nretry_exit_codes = [75]\n";

#[test]
fn file_and_environment() {
    let names = [
        "RAINCHECK_SERVER__LISTEN",
        "RAINCHECK_LIMITS__QUEUED",
        "RAINCHECK_KINDS__X__RUN",
        "RAINCHECK_ADMIN_TOKEN_FILE",
        "RAINCHECK_DEFAULTS__RETRY__FACTOR",
    ];
    let values = ["127.0.0.1:1", "5", "true", "2h", "1MiB", "x"];
    check((texts(&[SMALL, TEMPLATE]), vec((texts(&names), texts(&values)), 0..3)), |(text, variables)| {
        match load(&text, variables.clone()) {
            Ok(config) => {
                let shown = config.to_toml(true);
                let again = load(&shown, Vec::new()).unwrap_or_else(|faults| panic!("{shown}\n{faults:?}"));
                assert_eq!(again.settings, config.settings, "{shown}");
            }
            Err(faults) => {
                assert!(!faults.is_empty());
                for fault in faults {
                    assert!(!fault.message.is_empty(), "{fault:?}");
                    match fault.origin {
                        Some(Origin::File(_, line)) => {
                            assert!((1..=text.lines().count() + 1).contains(&line), "{fault:?}")
                        }
                        Some(Origin::Env(ref name)) => {
                            assert!(variables.iter().any(|(known, _)| known == name), "{fault:?}")
                        }
                        Some(Origin::Flag(_)) => panic!("there was no flag: {fault:?}"),
                        Some(Origin::Default) | None => {}
                    }
                }
            }
        }
    });
}

#[test]
fn units() {
    check(texts(&["1MiB", "64 kb", "1500kB", "0", "18446744073709551615B", "90s", "7d"]), |text| {
        let from = |text: &str| -> Option<Size> {
            let reader: StrDeserializer<'_, Error> = text.into_deserializer();
            Size::deserialize(reader).ok()
        };
        if let Some(size) = from(&text) {
            assert_eq!(from(&size.to_string()), Some(size), "{text:?}");
        }
    });
    check(any::<u64>(), |bytes| {
        let text = Size(bytes).to_string();
        let reader: StrDeserializer<'_, Error> = text.as_str().into_deserializer();
        assert_eq!(Size::deserialize(reader), Ok(Size(bytes)), "{text}");
    });
}
