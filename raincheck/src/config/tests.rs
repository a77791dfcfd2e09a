//! Tests of the whole road: text and variables in, typed settings or named faults out.

use super::*;

/// Loads `text` as a file in a folder of its own.
fn load(text: &str, variables: &[(&str, &str)], flags: &Flags) -> Result<Config, Vec<String>> {
    static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("raincheck-config-{}-{number}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("raincheck.toml");
    std::fs::write(&file, text).unwrap();
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let loaded = Said::read_with(Some(&file), variables).and_then(|said| said.with(flags));
    std::fs::remove_dir_all(&folder).unwrap();
    let prefix = format!("{}/", folder.display());
    loaded.map_err(|faults| faults.iter().map(|fault| fault.to_string().replace(&prefix, "")).collect())
}

fn faults(text: &str) -> Vec<String> {
    load(text, &[], &Vec::new()).expect_err("accepted")
}

#[test]
fn flags_win_over_variables_over_the_file_over_defaults() {
    let text = "[server]\nlisten = \"127.0.0.1:1\"\nfailed_status = 200\n[limits]\nqueued = 5\n";
    let variables = [("RAINCHECK_SERVER__LISTEN", "127.0.0.1:2"), ("RAINCHECK_LIMITS__QUEUED", "6")];
    let flags: Flags = vec![(&["server", "listen"], "127.0.0.1:3".into(), "--listen")];
    let config = load(text, &variables, &flags).unwrap();
    assert_eq!(config.settings.server.listen, "127.0.0.1:3");
    assert_eq!(config.settings.limits.queued, 6);
    assert_eq!(config.settings.server.failed_status, 200);
    assert_eq!(config.settings.limits.json_body, Size(1 << 20));
    let origin = |key: &str| config.effective().into_iter().find(|s| s.key == key).unwrap().origin;
    assert_eq!(origin("server.listen"), "--listen");
    assert_eq!(origin("limits.queued"), "$RAINCHECK_LIMITS__QUEUED");
    assert!(origin("server.failed_status").ends_with("raincheck.toml:3"));
    assert_eq!(origin("limits.json_body"), "default");
}

#[test]
fn every_unknown_key_is_named_with_its_line_and_a_suggestion() {
    let text = "[server]\nlisten = \"127.0.0.1:1\"\npublic_ulr = \"x\"\n[kinds.\"a.b\"]\nrunn = [\"x\"]\n[webhooks.x]\nurl = \"y\"\n";
    let found = faults(text);
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(
        found.contains(
            &"raincheck.toml:3: server.public_ulr: there is no such setting; did you mean `public_url`?".to_owned()
        ),
        "{found:?}"
    );
    assert!(
        found.contains(
            &"raincheck.toml:5: kinds.\"a.b\".runn: there is no such setting; did you mean `run`?".to_owned()
        ),
        "{found:?}"
    );
    assert!(
        found
            .iter()
            .any(|fault| fault.starts_with("raincheck.toml:6: webhooks: there is no such setting; known here:")),
        "{found:?}"
    );
}

#[test]
fn a_variable_can_be_unknown_too() {
    let found = load("", &[("RAINCHECK_SERVER__LISTN", "x")], &Vec::new()).unwrap_err();
    assert_eq!(found, ["$RAINCHECK_SERVER__LISTN: server.listn: there is no such setting; did you mean `listen`?"]);
}

#[test]
fn faults_say_where_what_and_why() {
    for (text, fault) in [
        ("[server\n", "raincheck.toml:1: "),
        ("[limits]\nqueued = \"many\"\n", "raincheck.toml:2: limits.queued: must be a number, not a text"),
        (
            "[limits]\nqueued = -1\n",
            "raincheck.toml:2: limits.queued: must be a whole number within bounds, not negative; this is `-1`",
        ),
        (
            "[queues.q]\nmax_losses = 1.5\n",
            "raincheck.toml:2: queues.q.max_losses: must be a whole number within bounds, not negative; this is `1.5`",
        ),
        ("[limits]\nuploads = 0\n", "raincheck.toml:2: limits.uploads: must be at least 1"),
        ("[limits]\nslow = \"0s\"\n", "raincheck.toml:2: limits.slow: must be at least 1"),
        ("[queues.\".\"]\nconcurrency = 1\n", "raincheck.toml:1: queues.\".\": `.` can't be a name"),
        ("[limits]\nfile = \"1 gigabyte\"\n", "raincheck.toml:2: limits.file: `1 gigabyte` is not a size"),
        ("[defaults]\ntimeout = \"1 hour\"\n", "raincheck.toml:2: defaults.timeout: not a duration"),
        ("[defaults]\nretry = { factor = 0.5 }\n", "raincheck.toml:2: defaults.retry.factor: must be at least 1"),
        ("[queues.q]\nmax_losses = 1001\n", "raincheck.toml:2: queues.q.max_losses: must be at most 1000"),
        (
            "[defaults]\non_lost = \"retyr\"\n",
            "raincheck.toml:2: defaults.on_lost: `retyr` is not one of retry, fail; did you mean `retry`?",
        ),
        (
            "[server]\nadmin_token = \"hunter2\"\n",
            "raincheck.toml:2: server.admin_token: a secret does not stand in the file",
        ),
        ("[server]\nlisten = \"8202\"\n", "raincheck.toml:2: server.listen: `8202` is not an address and port"),
        ("[server]\nhosts = \"a\"\n", "raincheck.toml:2: server.hosts: must be a list, not a text"),
        ("[queues.\"a b\"]\n", "raincheck.toml:1: queues.\"a b\": `a b` can't be a name"),
        ("[kinds.a]\nworkers = 2\n", "raincheck.toml:2: kinds.a.workers: says how the kind is run"),
        ("[kinds.a]\nrun = [\"x\", 1]\n", "raincheck.toml:2: kinds.a.run[1]: must be a text, not a whole number"),
        ("[kinds.a]\ninput_schema = \"no.json\"\n", "raincheck.toml:2: kinds.a.input_schema: cannot read"),
        ("[store]\nurl = \"mysql://x\"\n", "raincheck.toml:2: store.url: `mysql` is not known"),
        (
            "[store]\nurl = \"postgres://u:s3cret@h/db\"\n",
            "raincheck.toml:2: store.url: a secret does not stand in the file",
        ),
        (
            "[store]\nblobs = \"s3://b/p\"\n",
            "raincheck.toml:2: store.blobs: `s3://b/p` is for PostgreSQL, but the store is sqlite:",
        ),
        (
            "[store]\ns3.secret_access_key = \"s3cret\"\n",
            "raincheck.toml:2: store.s3.secret_access_key: a secret does not stand in the file",
        ),
        ("[store]\npassword = \"s3cret\"\n", "raincheck.toml:2: store.password: a secret does not stand in the file"),
        ("[feed]\nkeep = \"0s\"\n", "raincheck.toml:2: feed.keep: must be more than 0"),
        ("[feed]\nmax = 0\n", "raincheck.toml:2: feed.max: must be more than 0"),
        ("[log]\nlevel = \"loud\"\n", "raincheck.toml:2: log.level: `loud` is not a level"),
    ] {
        let found = faults(text);
        assert!(found[0].starts_with(fault), "{text:?}: {found:?}");
    }
}

#[test]
fn relative_paths_are_of_the_files_folder_and_flags_of_the_shell() {
    let config = load("[store]\nurl = \"sqlite:d/x.db\"\n", &[], &Vec::new()).unwrap();
    let folder = config.folder();
    assert!(folder.is_absolute());
    assert_eq!(config.settings.store.url.reveal(), format!("sqlite:{}/d/x.db", folder.display()));
    let flags: Flags = vec![(&["store", "url"], "sqlite:d/x.db".into(), "--data")];
    assert_eq!(load("", &[], &flags).unwrap().settings.store.url.reveal(), "sqlite:d/x.db");
}

#[test]
fn the_password_of_a_store_is_used_and_not_shown() {
    let url = "postgres://u:s3cret@h/db";
    let config = load("", &[("RAINCHECK_STORE", url)], &Vec::new()).unwrap();
    assert_eq!(config.settings.store.url.reveal(), url);
    assert!(!format!("{:?}", config.settings).contains("s3cret"));
    let shown = config.to_toml(true);
    assert!(shown.contains("url = \"postgres://u@h/db\"") && shown.contains("# $RAINCHECK_STORE"), "{shown}");

    let folder = std::env::temp_dir().join(format!("raincheck-password-{}", std::process::id()));
    std::fs::write(&folder, "s3cret\n").unwrap();
    let place = folder.display().to_string();
    let text = "[store]\nurl = \"postgres://u@h/db\"\n";
    let config = load(text, &[("RAINCHECK_STORE__PASSWORD_FILE", &place)], &Vec::new()).unwrap();
    assert_eq!(config.settings.store.password.as_ref().unwrap().reveal(), "s3cret");
    assert!(!config.to_toml(true).contains("s3cret"));
    for (store, fault) in [(url, "the address has a password as well"), ("sqlite:x", "is for PostgreSQL")] {
        let variables = [("RAINCHECK_STORE__PASSWORD_FILE", place.as_str()), ("RAINCHECK_STORE", store)];
        let found = load("", &variables, &Vec::new()).unwrap_err();
        assert!(found.len() == 1 && found[0].contains(fault) && !found[0].contains("s3cret"), "{found:?}");
    }
    std::fs::remove_file(&folder).unwrap();
}

#[test]
fn the_template_is_all_defaults_even_when_everything_in_it_is_said() {
    let mut plain = Settings::default();
    plain.defaults = plain.defaults.complete();
    assert_eq!(load(TEMPLATE, &[], &Vec::new()).unwrap().settings, plain);
    let said: String = TEMPLATE
        .lines()
        .map(|line| {
            line.strip_prefix("# ").filter(|rest| rest.contains(" = ") || rest.starts_with('[')).unwrap_or(line)
        })
        .filter(|line| {
            !["admin_token", "password", "s3.secret_access_key", "input_schema"].iter().any(|key| line.starts_with(key))
        })
        .map(|line| format!("{line}\n"))
        .collect();
    let config = load(&said, &[], &Vec::new()).unwrap();
    assert_eq!(config.settings.limits, sections::Limits::default());
    assert_eq!(config.settings.kinds["video.compress"].run, ["./compress.sh"]);
    assert_eq!(config.settings.queues["media"].max_queued, Some(1000));
    assert_eq!(config.settings.defaults, plain.defaults);
}

#[test]
fn what_is_shown_reads_back() {
    let text = "[store]\nurl = \"sqlite:/x/r.db\"\nblobs = \"/x/b\"\n[kinds.\"a.b\"]\nrun = [\"x\", \"y z\"]\nretry = { max_attempts = 3 }\n";
    let config = load(text, &[], &Vec::new()).unwrap();
    let shown = config.to_toml(true);
    assert!(shown.contains("[kinds.\"a.b\"]"), "{shown}");
    assert!(shown.contains("retry.max_attempts = 3"), "{shown}");
    assert_eq!(load(&shown, &[], &Vec::new()).unwrap().settings, config.settings);

    // A queue that is only named is one of this server all the same.
    let text = "[queues.media]\n[kinds.\"a b\"]\n[server]\ncors_origins = [\"a\\u007f\"]\n";
    let variables = [("RAINCHECK_KINDS__X__KEEP", "false")];
    let bad = load(text, &variables, &Vec::new()).expect_err("a name with a blank");
    assert_eq!(bad.len(), 1, "{bad:?}");
    let config = load(&text.replace("a b", "a.b"), &variables, &Vec::new()).unwrap();
    let again = load(&config.to_toml(true), &[], &Vec::new()).unwrap().settings;
    assert_eq!((&again.queues, &again.kinds), (&config.settings.queues, &config.settings.kinds));
    assert_eq!(again.server, config.settings.server);
    assert_eq!((again.queues.len(), again.kinds.len()), (1, 2));
}

#[test]
fn a_failed_job_is_not_answered_with_a_status_that_has_no_body() {
    for (status, good) in
        [(200, true), (400, true), (599, true), (204, false), (304, false), (302, false), (600, false)]
    {
        let loaded = load(&format!("[server]\nfailed_status = {status}\n"), &[], &Vec::new());
        assert_eq!(loaded.is_ok(), good, "{status}");
    }
}

#[test]
fn a_token_that_nobody_can_send_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let load_token = |token: &str| {
        let file = folder.path().join("token");
        std::fs::write(&file, token).unwrap();
        load("", &[("RAINCHECK_ADMIN_TOKEN_FILE", file.to_str().unwrap())], &Vec::new())
    };
    for good in ["hunter2", "a+/=_-.~\n", "!\"#"] {
        let config = load_token(good).unwrap();
        assert_eq!(config.settings.server.admin_token.unwrap().reveal(), good.trim_end());
    }
    for bad in ["two words", " hunter2", "hunter2 ", "hünter2", "a\tb", "a\nb", "a\u{7f}"] {
        let found = load_token(bad).expect_err("accepted");
        assert!(found[0].contains("server.admin_token: holds spaces or what is not visible ASCII"), "{found:?}");
        assert!(!found[0].contains(bad.trim()), "{found:?}");
    }
}
