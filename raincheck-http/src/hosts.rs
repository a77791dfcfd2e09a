//! The hosts that this server answers for. A page that was rebound to this machine's address by DNS still names its own.

use std::fmt::Display;
use std::net::IpAddr;

use http::uri::Authority;
use ipnet::IpNet;

/// What a request's `Host` is held against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPattern {
    names: Names,
    /// `None` takes any.
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Names {
    /// One, in lower case.
    One(String),
    /// Those that end so, in lower case, from the dot on.
    Below(String),
    /// Addresses.
    Within(IpNet),
}

impl HostPattern {
    /// `name`, `name:port`, an address, `*.example.com` for all names below one, or `10.0.0.0/8` for addresses.
    ///
    /// # Errors
    /// When it could match nothing, or anything.
    pub fn read(text: &str) -> Result<Self, String> {
        if text == "*" {
            let why = "`*` would let any page of the web in by DNS rebinding: name hosts, `*.example.com` or 10.0.0.0/8; \
                       requests with the server's token need no entry here";
            return Err(why.to_owned());
        }
        if text.contains('/') {
            let network = text.parse().map_err(|_| {
                format!("`{text}` is neither a host nor a network: write a name, not a URL, or for example 10.0.0.0/8")
            })?;
            return Ok(HostPattern { names: Names::Within(network), port: None });
        }
        let (below, rest) = match text.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        // An IPv6 address may stand without its brackets.
        let bare: Result<IpAddr, _> = rest.parse();
        let host = match bare {
            Ok(IpAddr::V6(address)) => format!("[{address}]"),
            _ => rest.to_owned(),
        };
        let wrong = |why: &dyn Display| format!("`{text}` can't be a host: {why}");
        let authority: Authority = host.parse().map_err(|error| wrong(&error))?;
        let name = authority.host().to_ascii_lowercase();
        if host.contains(['@', '*']) || name.is_empty() || (below && bare.is_ok()) {
            return Err(wrong(&"write a name, name:port, an address, `*.example.com` or a network such as 10.0.0.0/8"));
        }
        let port = host[name.len()..].strip_prefix(':').map(|port| port.parse());
        let port = port.transpose().map_err(|_| wrong(&"its port is no number up to 65535"))?;
        let names = if below { Names::Below(format!(".{name}")) } else { Names::One(name) };
        Ok(HostPattern { names, port })
    }

    /// Whether it is for `name`, which may be in any case, on `port`.
    fn is_for(&self, name: &str, port: &str) -> bool {
        if self.port.is_some_and(|wanted| port.parse() != Ok(wanted)) {
            return false;
        }
        match &self.names {
            Names::One(one) => one.eq_ignore_ascii_case(name),
            Names::Below(end) => name.len() > end.len() && name.to_ascii_lowercase().ends_with(end),
            Names::Within(network) => {
                let address = name.trim_start_matches('[').trim_end_matches(']').parse();
                address.is_ok_and(|address: IpAddr| network.contains(&address))
            }
        }
    }
}

/// All that are known.
#[derive(Debug)]
pub struct Hosts(Vec<HostPattern>);

impl Hosts {
    /// These, and this machine by its own address.
    pub fn new(listed: impl Iterator<Item = HostPattern>) -> Self {
        Hosts(listed.collect())
    }

    /// Whether `host`, as a request names it, is one of them.
    pub fn know(&self, host: &str) -> bool {
        let (name, port) = split(host);
        ["127.0.0.1", "localhost", "[::1]"].iter().any(|local| name.eq_ignore_ascii_case(local))
            || self.0.iter().any(|pattern| pattern.is_for(name, port))
    }
}

/// The name and the port, which may be missing.
fn split(host: &str) -> (&str, &str) {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !name.is_empty() => (name, port),
        _ => (host, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn know(listed: &[&str], host: &str) -> bool {
        Hosts::new(listed.iter().map(|text| HostPattern::read(text).unwrap())).know(host)
    }

    #[test]
    fn what_each_form_is_for() {
        for (listed, good, bad) in [
            ("inner", &["inner", "INNER:9"][..], &["inner.example", "an-inner", "inne"][..]),
            ("raincheck:8202", &["raincheck:8202"], &["raincheck", "raincheck:1", "raincheck:82020"]),
            ("*.svc", &["a.svc", "A.B.SVC:80"], &["svc", ".svc", "svc.evil.test", "xsvc"]),
            ("*.jobs.example:80", &["a.jobs.example:80"], &["a.jobs.example"]),
            ("10.0.0.0/8", &["10.1.2.3", "10.1.2.3:8202"], &["11.1.2.3", "10.evil.test", "10.1.2.3.evil.test"]),
            ("fd00::/8", &["[fd00::7]:8202"], &["[fe80::7]", "10.1.2.3"]),
            ("::7", &["[::7]", "[::7]:8202"], &["[::8]"]),
            ("192.0.2.7", &["192.0.2.7:1"], &["192.0.2.70"]),
        ] {
            good.iter().for_each(|host| assert!(know(&[listed], host), "{listed}: {host}"));
            bad.iter().for_each(|host| assert!(!know(&[listed], host), "{listed}: {host}"));
        }
    }

    #[test]
    fn this_machine_is_known_by_its_own_address() {
        for host in ["localhost", "127.0.0.1:1", "[::1]:8202", "LOCALHOST:8"] {
            assert!(know(&[], host), "{host}");
        }
        for host in ["evil.test", "localhost.evil.test", "127.0.0.1.evil.test:8202", "a@localhost", ""] {
            assert!(!know(&[], host), "{host}");
        }
    }

    #[test]
    fn what_can_match_nothing_or_anything_is_refused() {
        for text in [
            "*",
            "",
            "*.",
            "*.*",
            "a*.example",
            "*.10.0.0.1",
            "http://jobs.example",
            "10.0.0.0/33",
            "a/8",
            "a b",
            "a@b",
            "a:99999",
            "a:b",
            ":80",
        ] {
            let why = HostPattern::read(text).expect_err(text);
            assert!(why.contains(&format!("`{text}`")), "{why}");
        }
    }
}
