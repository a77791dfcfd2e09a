//! JSON from outside, however it is spelled, and what is written.

use raincheck_core::Timestamp;
use raincheck_fuzz::proptest::prelude::*;
use raincheck_fuzz::proptest::{collection::vec, option, strategy::BoxedStrategy};
use raincheck_fuzz::{bytes, check, texts};
use serde_json::Value;

use super::*;

#[test]
fn time() {
    let samples =
        ["2027-01-31T08:00:00Z", "2026-11-21T06:00:00.123456789+02:00", "1969-12-31T23:59:59.999Z", "2h", "90"];
    check(texts(&samples), |text| {
        let Some(at) = time::parse(&text) else { return };
        let mut out = Vec::new();
        time::write(&mut out, at);
        let written = String::from_utf8(out).unwrap();
        // Shown from 1970 on: nothing here happened before.
        assert_eq!(time::parse(written.trim_matches('"')), Some(Timestamp(at.0.max(0))), "{text:?} is {written}");
    });
}

/// JSON values, without numbers that can be spelled in two ways.
fn value() -> BoxedStrategy<Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[a\"\\\\/\n\u{1}é𝄞]{0,4}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec(("[ab\"\\\\é]{0,2}", inner), 0..4).prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
    .boxed()
}

/// Another spelling of the same: members the other way round, white space, every character escaped.
fn respell(value: &Value) -> String {
    let string = |text: &str| {
        let units = text.encode_utf16().map(|unit| format!("\\u{unit:04X}"));
        format!("\"{}\"", units.collect::<String>())
    };
    match value {
        Value::String(text) => string(text),
        Value::Array(items) => format!("[ {} ]", items.iter().map(respell).collect::<Vec<_>>().join("\t,\n")),
        Value::Object(members) => {
            let members = members.iter().rev().map(|(name, value)| format!("{} : {}", string(name), respell(value)));
            format!("\r{{ {}\n}} ", members.collect::<Vec<_>>().join(" , "))
        }
        other => other.to_string(),
    }
}

#[test]
fn canonical_form() {
    let form = |json: &str| canonical(json.as_bytes());
    check((value(), value()), |(one, other)| {
        let plain = one.to_string();
        for spelled in [respell(&one), serde_json::to_string_pretty(&one).unwrap()] {
            assert_eq!(form(&plain), form(&spelled), "{plain} and {spelled}");
        }
        assert_eq!(form(&plain) == form(&other.to_string()), one == other, "{one} and {other}");
    });
}

#[test]
fn depth() {
    let nested = |open: &str, times: usize| open.repeat(times);
    let text = r#"{"kind":"k","input":{"a":[1,2.50,null]},"tags":{"a":"[{"}}"#.to_owned();
    let samples = [nested("[", 127), nested("[{\"a\":", 64), nested("[", 129), format!("\"{}", nested("[", 200)), text];
    check(bytes(&samples.each_ref().map(|sample| sample.as_bytes())), |text| {
        // serde_json gives up at the same depth, so that what we let pass can be read by whoever uses it.
        let read = serde_json::from_slice::<Value>(&text);
        assert!(!(too_deep(&text) && read.is_ok()), "refused, but {read:?}");
        // What is taken has a canonical form, and only one.
        if check_json(&text).is_ok() {
            let spaced = [b" \n", &text[..], b"\t"].concat();
            assert_eq!(canonical(&text), canonical(&spaced));
        }
    });
}

#[test]
fn what_is_written() {
    check((any::<String>(), any::<String>(), option::of(any::<f64>()), any::<i64>()), |(name, text, float, number)| {
        let mut out = Json::default();
        out.begin();
        out.foreign_key(&name).text(&text);
        out.key("float").float(float.unwrap_or(f64::NAN));
        out.key("seconds").seconds(number);
        out.end();
        let written = String::from_utf8(out.into_vec()).unwrap();
        let value: Value = serde_json::from_str(&written).unwrap_or_else(|error| panic!("{written}: {error}"));
        assert!(value[&name] == text || matches!(name.as_str(), "float" | "seconds"), "{written}");
        // What is meant here is that it is a number; how exactly it reads is up to the reader.
        assert_eq!(value["float"].is_number(), float.is_some_and(f64::is_finite), "{written}");
    });
}
