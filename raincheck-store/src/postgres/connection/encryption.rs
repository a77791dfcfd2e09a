//! Whom a connection trusts: what `sslmode` and `sslrootcert` say.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use percent_encoding::percent_decode_str;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::config::SslMode;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::unverified::Unverified;

const ROOT: &str = "sslrootcert";

/// Trusts whom the address says, as its files are when a connection is made: authorities change while a node runs.
#[derive(Clone)]
pub(crate) struct Encryption {
    mode: SslMode,
    root: Option<PathBuf>,
}

impl Encryption {
    pub fn new(mode: SslMode, root: Option<PathBuf>) -> Result<Self, String> {
        tls(mode, root.as_deref())?;
        Ok(Encryption { mode, root })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> MakeTlsConnect<S> for Encryption {
    type Stream = <MakeRustlsConnect as MakeTlsConnect<S>>::Stream;
    type TlsConnect = <MakeRustlsConnect as MakeTlsConnect<S>>::TlsConnect;
    type Error = String;

    fn make_tls_connect(&mut self, host: &str) -> Result<Self::TlsConnect, String> {
        let mut rustls = MakeRustlsConnect::new(tls(self.mode, self.root.as_deref())?);
        MakeTlsConnect::<S>::make_tls_connect(&mut rustls, host).map_err(|e| e.to_string())
    }
}

/// An address as the driver knows it, and the file of the authorities to trust, which it does not.
pub(crate) fn split(url: &str) -> Result<(Cow<'_, str>, Option<PathBuf>), String> {
    let Some((place, query)) = url.split_once('?') else { return Ok((url.into(), None)) };
    let (mut rest, mut root) = (Vec::new(), None);
    for parameter in query.split('&') {
        match parameter.split_once('=') {
            Some((ROOT, path)) => {
                let path = percent_decode_str(path).decode_utf8().map_err(|e| format!("{ROOT}: {e}"))?;
                root = Some(PathBuf::from(&*path));
            }
            // What it means elsewhere is what `require` means here.
            Some(("sslmode", "verify-full")) => rest.push("sslmode=require"),
            _ => rest.push(parameter),
        }
    }
    Ok((format!("{place}?{}", rest.join("&")).into(), root))
}

/// How TLS is spoken in a mode: with whom the system trusts, or with whom the authorities in `root` vouch for.
fn tls(mode: SslMode, root: Option<&Path>) -> Result<ClientConfig, String> {
    let provider: Arc<CryptoProvider> = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
    let builder = builder.map_err(|e| e.to_string())?;
    match (mode, root) {
        (SslMode::Require, Some(root)) => Ok(builder.with_root_certificates(authorities(root)?).with_no_client_auth()),
        (SslMode::Require, None) => {
            Ok(builder.with_platform_verifier().map_err(|e| e.to_string())?.with_no_client_auth())
        }
        // Left alone, it would look as if somebody were checked.
        (_, Some(_)) => Err(format!("{ROOT} counts with sslmode=require only: nothing is checked without it")),
        // Encrypted where the server offers it, to whoever answers: as other clients of PostgreSQL take `prefer`.
        (_, None) => {
            let anybody = Arc::new(Unverified(provider));
            Ok(builder.dangerous().with_custom_certificate_verifier(anybody).with_no_client_auth())
        }
    }
}

fn authorities(file: &Path) -> Result<RootCertStore, String> {
    let wrong = |e: &dyn std::fmt::Display| format!("{ROOT}: {}: {e}", file.display());
    // It is read again and again, which would wait for ever for one that somebody writes to.
    if file.metadata().is_ok_and(|about| !about.is_file()) {
        return Err(wrong(&"it is no regular file"));
    }
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).map_err(|e| wrong(&e))? {
        roots.add(certificate.map_err(|e| wrong(&e))?).map_err(|e| wrong(&e))?;
    }
    if roots.is_empty() {
        return Err(wrong(&"there is no certificate in it"));
    }
    Ok(roots)
}
