//! What types alone can't say: names, programs, combinations.

use std::{net::SocketAddr, path::Path};

use raincheck_client::run::command::check_variable;
use raincheck_core::{Name, limits};
use raincheck_http::HostPattern;
use raincheck_store::{BlobPlace, S3Options};

use super::{
    Settings,
    defaults::JobDefaults,
    tree::{Fault, Node, Origin, join},
};

/// Everything that is wrong with `settings`, each where `tree` says it was said.
pub fn check(settings: &Settings, tree: &Node) -> Vec<Fault> {
    let mut faults = Faults { tree, found: Vec::new() };
    faults.server(settings);
    faults.defaults(&["defaults"], &settings.defaults);
    for (name, queue) in &settings.queues {
        let at = ["queues", name.as_str()];
        faults.name(&at, name);
        faults.defaults(&at, &queue.defaults());
        faults.positive(&[at[0], at[1], "concurrency"], queue.concurrency.map(u64::from));
        faults.positive(&[at[0], at[1], "max_queued"], queue.max_queued);
    }
    for name in settings.kinds.keys() {
        faults.kind(settings, name);
    }
    faults.found
}

struct Faults<'a> {
    tree: &'a Node,
    found: Vec<Fault>,
}

impl Faults<'_> {
    fn add(&mut self, at: &[&str], message: impl Into<String>) {
        // Where the setting itself is missing, the table that lacks it was said somewhere.
        let said = (1..=at.len()).rev().find_map(|length| self.tree.get(&at[..length]));
        self.found.push(Fault {
            origin: said.map(|node| node.origin.clone()),
            path: at.iter().fold(String::new(), |path, key| join(&path, key)),
            message: message.into(),
        });
    }

    fn name(&mut self, at: &[&str], name: &str) {
        if let Err(error) = Name::new(name) {
            self.add(at, format!("`{name}` can't be a name: it {error}"));
        }
    }

    fn positive(&mut self, at: &[&str], number: Option<u64>) {
        if number == Some(0) {
            self.add(at, "must be at least 1");
        }
    }

    fn server(&mut self, settings: &Settings) {
        let server = &settings.server;
        if server.listen.parse::<SocketAddr>().is_err() {
            let message = format!(
                "`{}` is not an address and port: write 127.0.0.1:8202, [::1]:8202 or 0.0.0.0:8202",
                server.listen
            );
            self.add(&["server", "listen"], message);
        }
        if let Some(url) = &server.public_url {
            let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")).unwrap_or_default();
            if rest.is_empty() || rest.contains(['?', '#', ' ']) {
                self.add(&["server", "public_url"], format!("`{url}` is not an http or https URL"));
            }
        }
        for why in server.hosts.iter().filter_map(|host| HostPattern::read(host).err()) {
            self.add(&["server", "hosts"], why);
        }
        if !raincheck_http::tells_failure(server.failed_status) {
            self.add(&["server", "failed_status"], "must be 200 or an HTTP status from 400 to 599");
        }
        if let Some(token) = server.admin_token.as_ref()
            && !raincheck_http::can_be_shown(token.reveal())
        {
            let message = "holds spaces or what is not visible ASCII, so nobody can send it in a header: take another, as \
                           `head -c 24 /dev/urandom | base64` makes it";
            self.add(&["server", "admin_token"], message);
        }
        self.store(settings);
        let feed = &settings.feed;
        for (name, number) in [("keep", feed.keep.0 as u64), ("max", feed.max.0)] {
            if number == 0 {
                self.add(&["feed", name], "must be more than 0: events would go before anybody has read them");
            }
        }
        if crate::cli::logging::filter(&settings.log.level).is_err() {
            self.add(
                &["log", "level"],
                format!("`{}` is not a level: write error, warn, info, debug or trace", settings.log.level),
            );
        }
        for (name, number) in [
            ("queued", settings.limits.queued),
            ("queued_per_queue", settings.limits.queued_per_queue),
            ("connections", settings.limits.connections as u64),
            ("streams", settings.limits.streams as u64),
            ("uploads", settings.limits.uploads as u64),
            ("slow", u64::from(settings.limits.slow.0 != 0)),
            ("stalled", u64::from(settings.limits.stalled.0 != 0)),
            ("idle", u64::from(settings.limits.idle.0 != 0)),
            ("headers", settings.limits.headers.0),
            ("json_body", settings.limits.json_body.0),
            ("batch_body", settings.limits.batch_body.0),
        ] {
            self.positive(&["limits", name], Some(number));
        }
    }

    fn store(&mut self, settings: &Settings) {
        let (url, password) = (&settings.store.url, &settings.store.password);
        if url.has_password() && matches!(self.tree.origin(&["store", "url"]), Origin::File(..)) {
            let message = "a secret does not stand in the file itself: leave the password out and write \
                           password = \"env:NAME\" or \"file:PATH\" below it";
            self.add(&["store", "url"], message);
        }
        if password.is_some() && url.has_password() {
            self.add(&["store", "password"], "the address has a password as well: leave one of them out");
        }
        let blobs = &settings.store.blobs;
        if BlobPlace::is_bucket(blobs) && !url.is_postgres() {
            let message = format!("`{blobs}` is for PostgreSQL, but the store is {url}, which keeps files beside it");
            self.add(&["store", "blobs"], message);
        } else if let Err(why) = BlobPlace::read(blobs, S3Options::default()) {
            self.add(&["store", "blobs"], why);
        }
        // One that the command line names instead is reached in its own way.
        let instead = matches!(self.tree.origin(&["store", "url"]), Origin::Flag(_));
        if password.is_some() && !url.is_postgres() && !instead {
            self.add(&["store", "password"], format!("is for PostgreSQL, but the store is {url}"));
        }
    }

    fn defaults(&mut self, at: &[&str], defaults: &JobDefaults) {
        let at = |rest: &[&'static str]| [at, rest].concat();
        self.positive(&at(&["timeout"]), defaults.timeout.map(|timeout| u64::from(timeout.0 != 0)));
        self.positive(&at(&["retry", "max_attempts"]), defaults.retry.max_attempts.map(u64::from));
        if defaults.retry.max_attempts.is_some_and(|attempts| attempts > limits::MAX_ATTEMPTS) {
            self.add(&at(&["retry", "max_attempts"]), format!("must be at most {}", limits::MAX_ATTEMPTS));
        }
        if defaults.max_losses.is_some_and(|losses| losses > limits::MAX_LOSSES) {
            self.add(&at(&["max_losses"]), format!("must be at most {}", limits::MAX_LOSSES));
        }
        if defaults.retry.factor.is_some_and(|factor| !(factor.is_finite() && factor >= 1.0)) {
            self.add(&at(&["retry", "factor"]), "must be at least 1");
        }
    }

    fn kind(&mut self, settings: &Settings, name: &str) {
        let Some(kind) = settings.kinds.get(name) else { return };
        let at = |last: &'static str| ["kinds", name, last];
        self.name(&["kinds", name], name);
        self.defaults(&["kinds", name], &kind.defaults());
        self.positive(&at("workers"), kind.workers.map(|workers| workers as u64));
        self.positive(&at("concurrency"), kind.concurrency.map(u64::from));
        if let Some(queue) = &kind.queue {
            self.name(&at("queue"), queue);
        }
        if let Some(schema) = &kind.input_schema
            && let Err(error) = super::schema::schema(Path::new(schema))
        {
            self.add(&at("input_schema"), error);
        }
        if kind.run.first().is_some_and(String::is_empty) {
            self.add(&at("run"), "the program's name is empty");
        }
        let needs_run: [(&'static str, bool); 6] = [
            ("env", !kind.env.is_empty()),
            ("workers", kind.workers.is_some()),
            ("keep", kind.keep),
            ("stream", kind.stream),
            ("content_type", kind.content_type.is_some()),
            ("retry_exit_codes", !kind.retry_exit_codes.is_empty()),
        ];
        for (setting, set) in needs_run {
            if set && kind.run.is_empty() {
                self.add(&at(setting), "says how the kind is run, but there is no `run = [\"PROGRAM\", …]`");
            }
        }
        if kind.content_type.is_some() && !kind.stream {
            self.add(&at("content_type"), "is the type of the stream, but there is no `stream = true`");
        }
        if kind.keep && kind.stream {
            self.add(&at("keep"), "can't be used together with `stream`: a kept process answers in JSON lines");
        }
        for why in kind.env.iter().filter_map(|name| check_variable(name).err()) {
            self.add(&at("env"), why);
        }
        for code in &kind.retry_exit_codes {
            if !(0..=255).contains(code) {
                self.add(&["kinds", name], format!("exit code {code} is not from 0 to 255"));
            }
        }
    }
}
