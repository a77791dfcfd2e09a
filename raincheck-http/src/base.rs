//! What every URL that is handed out begins with: `public_url` when set, else the accepted `Host` of the request.

use http::{HeaderValue, Uri};
use raincheck_engine::wire::BaseUrl;

/// The beginning of absolute URLs, without a slash at its end.
#[derive(Clone, Debug)]
pub struct Base {
    scheme: &'static str,
    rest: HeaderValue,
}

impl Base {
    /// From `public_url`, checked at start.
    pub fn public(url: &str) -> anyhow::Result<Self> {
        let url = url.trim_end_matches('/');
        let parsed: Uri = url.parse()?;
        anyhow::ensure!(
            matches!(parsed.scheme_str(), Some("http" | "https"))
                && parsed.authority().is_some()
                && parsed.query().is_none(),
            "public_url must be http://… or https://…, without a query"
        );
        Ok(Base { scheme: "", rest: HeaderValue::from_str(url)? })
    }

    /// From the accepted `Host` of a request.
    pub fn of_host(host: HeaderValue) -> Self {
        Base { scheme: "http://", rest: host }
    }

    /// Appends it.
    fn push(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.scheme.as_bytes());
        out.extend_from_slice(self.rest.as_bytes());
    }

    /// The URL of a path, given in pieces, as a header's value.
    pub fn header(&self, path: &[&str]) -> HeaderValue {
        let mut out = Vec::with_capacity(96);
        self.push(&mut out);
        for piece in path {
            out.extend_from_slice(piece.as_bytes());
        }
        HeaderValue::from_maybe_shared(bytes::Bytes::from(out)).unwrap_or_else(|_| HeaderValue::from_static("/"))
    }

    /// The URL of `path`.
    pub fn url(&self, path: &str) -> String {
        String::from_utf8_lossy(self.header(&[path]).as_bytes()).into_owned()
    }
}

impl<'a> From<&'a Base> for BaseUrl<'a> {
    fn from(base: &'a Base) -> Self {
        BaseUrl { scheme: base.scheme, rest: base.rest.as_bytes() }
    }
}
