//! Who may come in at all: known hosts, no foreign pages, and the token where one is set.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, StatusCode};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::cut::cut;
use super::hosts::{HostPattern, Hosts};
use super::options::Options;
use super::principal::Principal;
use super::problem::{self, Problem};
use super::scope::Scope;

/// The checks that come before every handler.
#[derive(Debug)]
pub struct Guard {
    hosts: Hosts,
    public_origin: Option<String>,
    cors: Vec<String>,
    token: Option<[u8; 32]>,
    header_bytes: usize,
}

/// Set by browsers. Names that are known before are quicker to look for than texts.
static SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Most of a host or an origin that a refusal repeats, bytes.
const SHOWN_BYTES: usize = 100;

const EXPOSED: &str = "Location, Content-Location, Retry-After, ETag, Preference-Applied, Idempotency-Replayed, \
                       Raincheck-Cached, Raincheck-Coalesced, Raincheck-Attempt, Link, Content-Range, Content-Disposition";
const ASKED: &str = "Authorization, Content-Type, Content-Encoding, Prefer, Idempotency-Key, If-Match, If-None-Match, If-Range, Range, Last-Event-ID, \
                     traceparent, tracestate, Content-Disposition";

/// Why a request does not pass.
#[derive(Debug)]
pub enum Refused {
    /// It must not.
    Problem(Problem),
    /// It only asks whether another one may.
    Preflight,
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Refused::Problem(problem)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self {
            Refused::Problem(problem) => problem.into_response(),
            Refused::Preflight => preflight(),
        }
    }
}

impl Guard {
    /// Prepares the checks.
    pub fn new(options: &Options) -> Self {
        let public = options.public_url.as_deref().map(|url| url.trim_end_matches('/'));
        let origin =
            public.map(|url| url.match_indices('/').nth(2).map_or(url, |(end, _)| &url[..end]).to_ascii_lowercase());
        let public_host = origin.as_deref().and_then(|url| HostPattern::read(url.split_once("://")?.1).ok());
        Guard {
            hosts: Hosts::new(options.hosts.iter().cloned().chain(public_host)),
            public_origin: origin,
            cors: options.cors_origins.iter().map(|origin| origin.trim_end_matches('/').to_ascii_lowercase()).collect(),
            token: options.admin_token.as_deref().map(|token| Sha256::digest(token).into()),
            header_bytes: options.limits.header_bytes,
        }
    }

    /// Lets a request for a route of `scope` pass, and says whose it is; or answers it.
    pub fn admit<B>(&self, request: &Request<B>, scope: Scope) -> Result<Principal, Refused> {
        let (headers, uri) = (request.headers(), request.uri());
        let size: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
        let target = uri.path_and_query().map_or(0, |target| target.as_str().len());
        if size + target > self.header_bytes {
            let detail = format!("the head may have {} bytes (`headers` in [limits]): send less", self.header_bytes);
            return Err(Problem::new(problem::HEADERS).detail(detail).into());
        }
        if Principal::Nobody.may(scope) {
            return Ok(Principal::Nobody);
        }
        let host = host(request).ok_or_else(|| Problem::bad("exactly one Host header is required"))?;
        if !is_host(host) {
            return Err(Problem::bad("the port of the Host header is none: 1 to 65535").into());
        }
        let token = bearer(headers);
        // A page that was rebound to this address has no token.
        if !self.hosts.know(host) && (self.token.is_none() || self.principal(token) == Principal::Nobody) {
            return Err(misdirected(host).into());
        }
        let foreign = foreign(headers, host, self.public_origin.as_deref());
        let allowed = self.allowed_origin(headers).is_some();
        if request.method() == Method::OPTIONS && allowed && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
        {
            return Err(Refused::Preflight);
        }
        let unsafe_method = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
        let upgrade = headers.contains_key(header::UPGRADE);
        if foreign && (unsafe_method || upgrade) && !(allowed && headers.contains_key(header::AUTHORIZATION)) {
            return Err(self.foreign_page(headers, host, allowed).into());
        }
        let principal = self.principal(token);
        if principal.may(scope) { Ok(principal) } else { Err(unauthorized(headers, token.is_some()).into()) }
    }

    /// A page of another origin wants to change something, of an origin that is `allowed` or not.
    fn foreign_page(&self, headers: &HeaderMap, host: &str, allowed: bool) -> Problem {
        let origin = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok()).unwrap_or("another site");
        let (origin, host) = (cut(origin, SHOWN_BYTES), cut(host, SHOWN_BYTES));
        let detail = match (allowed, self.token.is_some()) {
            (true, true) => {
                format!("a page of `{origin}` may do this with the server's token: send `Authorization: Bearer TOKEN`")
            }
            (true, false) => format!(
                "a page of `{origin}` may do this with the server's token, and the server has none: set \
                 RAINCHECK_ADMIN_TOKEN or `admin_token` in [server], and send `Authorization: Bearer TOKEN`"
            ),
            (false, _) => format!(
                "a page of `{origin}` must not do this to `{host}`: if that is this server's own page behind a proxy, set \
                 `public_url` in [server], or let the proxy pass the Host on; else list the origin under `cors_origins` \
                 there, and let the page send a token"
            ),
        };
        Problem::new(problem::FORBIDDEN).detail(detail)
    }

    /// Who shows this token.
    fn principal(&self, token: Option<&str>) -> Principal {
        let Some(expected) = &self.token else { return Principal::Everyone };
        // Digests of equal length are compared, so that the time tells nothing about the token.
        let is_it = |token: &str| bool::from(Sha256::digest(token).as_slice().ct_eq(expected));
        if token.is_some_and(is_it) { Principal::Admin } else { Principal::Nobody }
    }

    /// The origin of the request, when pages of it may read answers.
    pub fn allowed_origin(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        if self.cors.is_empty() {
            return None;
        }
        let origin = headers.get(header::ORIGIN)?;
        let text = origin.to_str().ok()?.to_ascii_lowercase();
        self.cors.contains(&text).then(|| origin.clone())
    }

    /// Lets a page of an allowed origin read the answer. To others it is marked as one that depends on the origin: a
    /// cache must not give it to that page.
    pub fn expose(&self, response: &mut Response, allowed: Option<HeaderValue>) {
        if self.cors.is_empty() {
            return;
        }
        let headers = response.headers_mut();
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
        if let Some(origin) = allowed {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
        }
    }
}

/// The token of a request.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// A token is needed, or another one.
fn unauthorized(headers: &HeaderMap, is_shown: bool) -> Problem {
    let challenge = match is_shown {
        true => "Bearer realm=\"raincheck\", error=\"invalid_token\"",
        false => "Bearer realm=\"raincheck\"",
    };
    let wrong = match (is_shown, headers.contains_key(header::AUTHORIZATION)) {
        (true, _) => "this token is not the server's: ",
        (false, true) => "the scheme of `Authorization` is not Bearer: ",
        (false, false) => "",
    };
    let detail = format!(
        "{wrong}send the server's token as `Authorization: Bearer TOKEN`; whoever runs the server has it from \
         RAINCHECK_ADMIN_TOKEN or `admin_token` in [server]"
    );
    Problem::new(problem::UNAUTHORIZED)
        .detail(detail)
        .header(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
}

/// A host that nobody has listed.
fn misdirected(host: &str) -> Problem {
    let host = cut(host, SHOWN_BYTES);
    let detail = format!(
        "this server does not know itself as `{host}`: list it under `hosts` in [server], or set `public_url` there to what \
         callers use; a request with the server's token may use any"
    );
    Problem::new(problem::MISDIRECTED).detail(detail)
}

fn preflight() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let mut insert = |name: HeaderName, value| response.headers_mut().insert(name, HeaderValue::from_static(value));
    insert(header::ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD, POST, PUT, PATCH, DELETE");
    insert(header::ACCESS_CONTROL_ALLOW_HEADERS, ASKED);
    insert(header::ACCESS_CONTROL_MAX_AGE, "600");
    response
}

/// The one host that a request is for: the authority of its target (HTTP/2), else its only `Host`.
fn host<B>(request: &Request<B>) -> Option<&str> {
    let mut named = request.headers().get_all(header::HOST).iter();
    let (first, more) = (named.next(), named.next());
    match request.uri().authority() {
        Some(authority) => Some(authority.as_str()),
        None => first.filter(|_| more.is_none())?.to_str().ok().filter(|host| !host.is_empty()),
    }
}

/// Whether what follows the name of a host, which may be an IPv6 address in brackets, is a port. It may be empty (RFC 3986
/// section 3.2.3).
fn is_host(host: &str) -> bool {
    match host.rsplit_once(':') {
        Some((_, port)) if !port.is_empty() && !port.ends_with(']') => {
            port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0)
        }
        _ => true,
    }
}

/// Whether a browser says that the request comes from a page of another origin.
fn foreign(headers: &HeaderMap, host: &str, public: Option<&str>) -> bool {
    if let Some(site) = headers.get(&SEC_FETCH_SITE)
        && site.as_bytes() == b"cross-site"
    {
        return true;
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return false };
    let Ok(origin) = origin.to_str() else { return true };
    let same = origin.split_once("://").is_some_and(|(_, authority)| authority.eq_ignore_ascii_case(host));
    !same && !public.is_some_and(|public| public.eq_ignore_ascii_case(origin))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(options: &Options, method: &str, headers: &[(&str, &str)]) -> u16 {
        let mut request = Request::builder().method(method).uri("/jobs");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        match Guard::new(options).admit(&request.body(()).unwrap(), Scope::Submit) {
            Ok(_) => 200,
            Err(refused) => refused.into_response().status().as_u16(),
        }
    }

    #[test]
    fn hosts() {
        let options = Options {
            public_url: Some("https://jobs.example.com/api".to_owned()),
            hosts: vec![HostPattern::read("raincheck:8202").unwrap(), HostPattern::read("inner").unwrap()],
            ..Options::default()
        };
        for good in [
            "localhost",
            "localhost:",
            "127.0.0.1:1",
            "[::1]",
            "[::1]:8202",
            "localhost:65535",
            "LOCALHOST:8",
            "jobs.example.com",
            "raincheck:8202",
            "inner:9",
        ] {
            assert_eq!(status(&options, "GET", &[("host", good)]), 200, "{good}");
        }
        for bad in [
            "evil.test",
            "localhost.evil.test",
            "127.0.0.1.evil.test:8202",
            "raincheck:1",
            "a@localhost",
            "example.com",
        ] {
            assert_eq!(status(&options, "GET", &[("host", bad)]), 421, "{bad}");
        }
        for none in
            ["localhost:99999", "localhost:65536", "localhost:0", "localhost:8a", "localhost:+80", "[::1]:99999", "a:b"]
        {
            assert_eq!(status(&options, "GET", &[("host", none)]), 400, "{none}");
        }
        // A page that was rebound has no token.
        let guarded = Options { admin_token: Some("secret".to_owned()), ..Options::default() };
        let rebound = ("host", "evil.test");
        assert_eq!(status(&guarded, "GET", &[rebound, ("authorization", "Bearer secret")]), 200);
        assert_eq!(status(&guarded, "GET", &[rebound, ("authorization", "Bearer other")]), 421);
        assert_eq!(status(&options, "GET", &[]), 400);
        assert_eq!(status(&options, "GET", &[("host", "localhost"), ("host", "localhost")]), 400);
    }

    #[test]
    fn foreign_pages() {
        let own = Options::default();
        let host = ("host", "localhost:8202");
        for (headers, expected) in [
            (&[host][..], 200),
            (&[host, ("origin", "http://localhost:8202")], 200),
            (&[host, ("origin", "http://localhost:3000")], 403),
            (&[host, ("origin", "null")], 403),
            (&[host, ("sec-fetch-site", "cross-site")], 403),
            (&[host, ("sec-fetch-site", "same-origin")], 200),
        ] {
            assert_eq!(status(&own, "POST", headers), expected, "{headers:?}");
            assert_eq!(status(&own, "GET", headers), 200, "{headers:?}");
        }
        assert_eq!(status(&own, "GET", &[host, ("origin", "http://evil.test"), ("upgrade", "websocket")]), 403);
        let cors = Options {
            cors_origins: vec!["https://app.example.com".to_owned()],
            admin_token: Some("secret".to_owned()),
            ..Options::default()
        };
        let page = ("origin", "https://app.example.com");
        assert_eq!(status(&cors, "POST", &[host, page, ("authorization", "Bearer secret")]), 200);
        assert_eq!(status(&cors, "POST", &[host, page]), 403);
        assert_eq!(status(&cors, "OPTIONS", &[host, page, ("access-control-request-method", "POST")]), 204);
        assert_eq!(
            status(
                &cors,
                "OPTIONS",
                &[host, ("origin", "https://evil.test"), ("access-control-request-method", "POST")]
            ),
            401
        );
    }

    /// What a refusal says.
    fn detail(options: &Options, headers: &[(&str, &str)]) -> String {
        let mut request = Request::builder().method("POST").uri("/jobs").header("host", "localhost");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        match Guard::new(options).admit(&request.body(()).unwrap(), Scope::Submit) {
            Err(Refused::Problem(problem)) => problem.to_string(),
            passed => panic!("{passed:?}"),
        }
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        let page = ("origin", "https://app.example.com");
        let origins = vec!["https://app.example.com".to_owned()];
        let open = Options { cors_origins: origins.clone(), ..Options::default() };
        let guarded = Options { admin_token: Some("secret".to_owned()), ..open.clone() };
        assert!(detail(&Options::default(), &[page]).contains("list the origin under `cors_origins`"));
        assert!(detail(&open, &[page]).contains("the server has none: set RAINCHECK_ADMIN_TOKEN"));
        let said = detail(&guarded, &[page]);
        assert!(said.contains("send `Authorization: Bearer TOKEN`") && !said.contains("has none"), "{said}");
        for (shown, wrong) in
            [(None, "unauthorized: send"), (Some("Bearer x"), "this token is not"), (Some("Basic x"), "the scheme")]
        {
            let headers: Vec<_> = shown.iter().map(|shown| ("authorization", *shown)).collect();
            let said = detail(&guarded, &headers);
            assert!(said.contains(wrong) && said.contains("`Authorization: Bearer TOKEN`"), "{said}");
            assert!(said.contains("RAINCHECK_ADMIN_TOKEN"), "{said}");
        }
    }

    #[test]
    fn tokens() {
        let options = Options { admin_token: Some("secret".to_owned()), ..Options::default() };
        let host = ("host", "localhost");
        for (value, expected) in
            [("Bearer secret", 200), ("bearer secret", 200), ("Bearer secre", 401), ("Basic secret", 401), ("", 401)]
        {
            assert_eq!(status(&options, "GET", &[host, ("authorization", value)]), expected, "{value}");
        }
        assert_eq!(status(&options, "GET", &[host]), 401);
    }
}
