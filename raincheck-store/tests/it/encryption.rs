//! Connections to PostgreSQL are encrypted, and to whom they should be, as `sslmode` and `sslrootcert` say.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use pgcluster::{Cluster, Identity, Settings};
use raincheck_store::{PostgresOptions, PostgresStore, Store as _, StoreError};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;

use crate::folder;

/// Somebody who vouches for servers.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let authority = Authority { issuer, folder: tempfile::tempdir().unwrap() };
        std::fs::write(authority.file(), authority.issuer.pem()).unwrap();
        authority
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("its certificate.pem")
    }

    /// The file as it stands in an address.
    fn parameter(&self) -> String {
        format!("sslrootcert={}", self.file().display()).replace(' ', "%20")
    }

    /// A server that it vouches for, under one name or address.
    fn server(&self, name: &str) -> Cluster {
        Cluster::start(Settings { identity: Some(self.vouch(name)), ..Settings::default() }).unwrap()
    }

    fn vouch(&self, name: &str) -> Identity {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        Identity { certificate, key: key.serialize_pem() }
    }
}

/// Opens a store and counts its connections: encrypted ones, and others.
async fn connections(server: &Cluster, parameters: &str) -> Result<(u32, u32), StoreError> {
    let (database, blobs) = (server.database().unwrap(), folder::fresh());
    let url = format!("{}?{parameters}", database.url());
    let store = PostgresStore::open(PostgresOptions::at(url, blobs.path())).await?;
    let sql = "SELECT count(*) FILTER (WHERE ssl), count(*) FILTER (WHERE NOT ssl) \
        FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'raincheck'";
    let counted = database.run(sql).unwrap();
    store.close().await;
    let (encrypted, others) = counted.split_once('|').unwrap();
    Ok((encrypted.parse().unwrap(), others.parse().unwrap()))
}

async fn refusal(server: &Cluster, parameters: &str) -> String {
    connections(server, parameters).await.expect_err("it must not connect").to_string()
}

#[tokio::test]
async fn a_server_with_a_certificate() {
    let authority = Authority::new();
    let server = authority.server("127.0.0.1");
    for mode in ["require", "verify-full"] {
        let trusting = format!("sslmode={mode}&{}", authority.parameter());
        let (encrypted, others) = connections(&server, &trusting).await.unwrap();
        assert!(encrypted > 0 && others == 0, "{mode}: {encrypted} encrypted, {others} not");
    }
    // Nobody is asked who it is, but nobody listens either.
    for parameters in ["sslmode=prefer", ""] {
        let (encrypted, others) = connections(&server, parameters).await.unwrap();
        assert!(encrypted > 0 && others == 0, "{parameters}: {encrypted} encrypted, {others} not");
    }
    let (encrypted, others) = connections(&server, "sslmode=disable").await.unwrap();
    assert!(encrypted == 0 && others > 0, "{encrypted} encrypted, {others} not");

    let stranger = Authority::new();
    for parameters in ["sslmode=require".to_owned(), format!("sslmode=require&{}", stranger.parameter())] {
        let said = refusal(&server, &parameters).await;
        assert!(said.contains("on 127.0.0.1: ") && said.contains("invalid peer certificate"), "{said}");
    }
}

/// A server shows the certificate of another authority, and the file of authorities is exchanged, under a node that runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn authorities_may_change_while_a_node_runs() {
    let (old, new) = (Authority::new(), Authority::new());
    let server = old.server("127.0.0.1");
    let (database, blobs) = (server.database().unwrap(), folder::fresh());
    let url = format!("{}?sslmode=require&{}", database.url(), old.parameter());
    let store = PostgresStore::open(PostgresOptions::at(url, blobs.path())).await.unwrap();
    server.show_as(&new.vouch("127.0.0.1")).unwrap();
    until("nobody takes it for the server that it trusts", || {
        database.disconnect().unwrap();
        store.health().is_err()
    })
    .await;
    std::fs::copy(new.file(), old.file()).unwrap();
    until("it is trusted again", || store.health().is_ok()).await;
    assert!(store.feed_bounds().await.is_ok());
    store.close().await;
}

async fn until(what: &str, fact: impl Fn() -> bool) {
    let begin = Instant::now();
    while !fact() {
        assert!(begin.elapsed() < Duration::from_secs(60), "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A certificate that a server made for itself, which is no authority's, vouches for itself.
#[tokio::test]
async fn a_server_that_vouches_for_itself() {
    let (key, folder) = (KeyPair::generate().unwrap(), tempfile::tempdir().unwrap());
    let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    params.is_ca = IsCa::ExplicitNoCa;
    let certificate = params.self_signed(&key).unwrap().pem();
    let file = folder.path().join("server.crt");
    std::fs::write(&file, &certificate).unwrap();
    let identity = Some(Identity { certificate, key: key.serialize_pem() });
    let server = Cluster::start(Settings { identity, ..Settings::default() }).unwrap();
    let parameters = format!("sslmode=require&sslrootcert={}", file.display());
    let (encrypted, others) = connections(&server, &parameters).await.unwrap();
    assert!(encrypted > 0 && others == 0, "{encrypted} encrypted, {others} not");
}

#[tokio::test]
async fn a_certificate_of_another_name() {
    let authority = Authority::new();
    let server = authority.server("db.example.com");
    let said = refusal(&server, &format!("sslmode=require&{}", authority.parameter())).await;
    assert!(said.contains("certificate not valid for name \"127.0.0.1\""), "{said}");
}

#[tokio::test]
async fn a_server_without_tls() {
    let server = Cluster::shared();
    let said = refusal(server, "sslmode=require").await;
    assert!(said.contains("server does not support TLS"), "{said}");
    let (encrypted, others) = connections(server, "sslmode=prefer").await.unwrap();
    assert!(encrypted == 0 && others > 0, "{encrypted} encrypted, {others} not");
}

#[tokio::test]
async fn authorities_that_would_not_count_are_refused() {
    let (server, authority) = (Cluster::shared(), Authority::new());
    let said = refusal(server, &authority.parameter()).await;
    assert!(said.contains("sslrootcert counts with sslmode=require only"), "{said}");
    let said = refusal(server, "sslmode=require&sslrootcert=/nowhere/ca.pem").await;
    assert!(said.contains("sslrootcert: /nowhere/ca.pem: "), "{said}");
    let said = refusal(server, "sslmode=require&sslrootcert=/dev/null").await;
    assert!(said.contains("it is no regular file"), "{said}");
    std::fs::write(authority.file(), "no certificate").unwrap();
    let said = refusal(server, &format!("sslmode=require&{}", authority.parameter())).await;
    assert!(said.contains("there is no certificate in it"), "{said}");
}
