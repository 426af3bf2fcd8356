//! HTTP requests, retries, and what to tell the user about failures.

use std::time::Duration;

use firebrand_pipeline::{Error, StageIo};
use ureq::config::RedirectAuthHeaders;
use ureq::http::{HeaderMap, Response, StatusCode};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body};

/// Maximum number of attempts. A download that made progress starts counting again.
pub(crate) const ATTEMPTS: u32 = 4;

/// A client for all requests of a run.
#[derive(Debug, Clone)]
pub(crate) struct Http {
    /// Follows redirects.
    follow: Agent,
    /// Returns redirects as responses.
    no_follow: Agent,
    /// The pause after the first failure; it doubles with each further one.
    pause: Duration,
}

/// What a request carries besides its URL.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Ask<'a> {
    /// A bearer token, only ever sent to the host of the URL.
    pub(crate) token: Option<&'a str>,
    /// The first byte to send, with the validator (ETag or date) that the file must still have; `None` for the whole file.
    pub(crate) from: Option<(u64, Option<&'a str>)>,
}

/// Why a request failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The host was not reached, or the connection broke.
    Network(Box<ureq::Error>),
    /// The host refused.
    Refused {
        /// The status.
        status: StatusCode,
        /// The reason given, or an empty string.
        reason: String,
    },
}

impl Http {
    /// A client with this machine's root certificates and proxy.
    pub(crate) fn new() -> Self {
        Self::with_pause(Duration::from_secs(1))
    }

    /// The same with another pause between attempts.
    pub(crate) fn with_pause(pause: Duration) -> Self {
        let agent = |redirects| {
            // The machine's own certificates, so that a company's proxy is trusted as everywhere else on it.
            let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build();
            Agent::config_builder()
                .tls_config(tls)
                .http_status_as_error(false)
                .max_redirects(redirects)
                .max_redirects_will_error(redirects > 0)
                .redirect_auth_headers(RedirectAuthHeaders::SameHost)
                .user_agent(concat!("firebrand/", env!("CARGO_PKG_VERSION")))
                // A compressed body could neither be resumed nor measured.
                .accept_encoding("identity")
                .timeout_connect(Some(Duration::from_secs(30)))
                .timeout_recv_response(Some(Duration::from_secs(60)))
                .timeout_per_read(Some(Duration::from_secs(60)))
                .build()
                .new_agent()
        };
        Self { follow: agent(10), no_follow: agent(0), pause }
    }

    /// Requests a document, following redirects.
    pub(crate) fn get(&self, url: &str, ask: Ask<'_>) -> Result<Response<Body>, Failure> {
        let mut request = self.follow.get(url);
        if let Some(token) = ask.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if let Some((start, state)) = ask.from {
            request = request.header("range", format!("bytes={start}-"));
            if let Some(state) = state {
                request = request.header("if-range", state);
            }
        }
        let response = request.call().map_err(|error| Failure::Network(Box::new(error)))?;
        if response.status().is_success() || response.status() == StatusCode::RANGE_NOT_SATISFIABLE {
            Ok(response)
        } else {
            Err(Failure::refused(response))
        }
    }

    /// Requests a document's headers. A redirect to another host is returned, not followed.
    pub(crate) fn head(&self, url: &str, token: Option<&str>) -> Result<HeaderMap, Failure> {
        let mut url = url.to_owned();
        for _ in 0..5 {
            let mut request = self.no_follow.head(&url);
            if let Some(token) = token {
                request = request.header("authorization", format!("Bearer {token}"));
            }
            let response = request.call().map_err(|error| Failure::Network(Box::new(error)))?;
            let status = response.status();
            if !status.is_success() && !status.is_redirection() {
                return Err(Failure::refused(response));
            }
            let headers = response.headers();
            match header(headers, "location").filter(|_| status.is_redirection()) {
                // A repository that was renamed: the same host knows it under another path.
                Some(path) if path.starts_with('/') && !path.starts_with("//") => {
                    url = format!("{}{path}", origin(&url))
                }
                _ => return Ok(headers.clone()),
            }
        }
        Err(Failure::Network(Box::new(ureq::Error::TooManyRedirects)))
    }

    /// Retries until success, a permanent failure, or too many attempts.
    pub(crate) fn with_retries<T>(
        &self,
        io: &StageIo,
        mut ask: impl FnMut() -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let mut attempt = 1;
        loop {
            match ask() {
                Err(failure) if failure.is_transient() && attempt < ATTEMPTS => self.wait(attempt, &failure, io),
                done => return done,
            }
            attempt += 1;
        }
    }

    /// Waits after the given failed attempt (1 is the first).
    pub(crate) fn wait(&self, attempt: u32, failure: &Failure, io: &StageIo) {
        let pause = self.pause * 2_u32.saturating_pow(attempt - 1);
        io.log(format!("{failure}; trying again in {} s", pause.as_secs()));
        std::thread::sleep(pause);
    }
}

impl Failure {
    fn refused(response: Response<Body>) -> Self {
        let status = response.status();
        let said = header(response.headers(), "x-error-message").map(str::to_owned);
        Self::Refused { status, reason: said.unwrap_or_default() }
    }

    /// Whether another attempt may succeed.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Network(error) => {
                let for_good = matches!(**error, ureq::Error::BadUri(_) | ureq::Error::TooManyRedirects);
                !for_good && !is_about_trust(error)
            }
            Self::Refused { status, .. } => {
                status.is_server_error()
                    || [StatusCode::TOO_MANY_REQUESTS, StatusCode::REQUEST_TIMEOUT].contains(status)
            }
        }
    }

    /// The status of a refusal.
    pub(crate) fn status(&self) -> Option<u16> {
        match self {
            Self::Network(_) => None,
            Self::Refused { status, .. } => Some(status.as_u16()),
        }
    }

    /// The error for the user about fetching `what` from `url`.
    pub(crate) fn into_error(self, what: &str, url: &str) -> Error {
        match self {
            Self::Network(error) if is_about_trust(&error) => {
                Error::other(format!("cannot fetch {what}: the certificate of {} is not trusted here", origin(url)))
                    .caused_by(error.as_ref())
                    .hint("behind a company's proxy, install its root certificate here, or name it in SSL_CERT_FILE")
            }
            Self::Network(error) => Error::other(format!(
                "cannot fetch {what}: {} was not reached, or the connection broke",
                origin(url)
            ))
            .caused_by(error.as_ref())
            .hint("check the network; behind a proxy set HTTPS_PROXY; what was fetched so far is kept and resumed")
            .hint("where there is no network, bring the file by hand and name it with `path = …`"),
            Self::Refused { status, ref reason } => {
                let said = if reason.is_empty() { String::new() } else { format!(" ({reason})") };
                let error = Error::other(format!("cannot fetch {what}: {url} answered {status}{said}"));
                match status.as_u16() {
                    401 | 403 => error.hint("it needs a permission that this request does not carry"),
                    404 | 410 => error.hint("check the address: is there a typing error, or has the file moved?"),
                    _ => error.hint("try again later"),
                }
            }
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Network(error) => write!(f, "{error}"),
            Self::Refused { status, .. } => write!(f, "the server answered {status}"),
        }
    }
}

/// Whether the host's certificate was not accepted. The TLS library's own error has no type to match on here.
fn is_about_trust(error: &ureq::Error) -> bool {
    error.to_string().contains("certificate")
}

/// A header as text.
pub(crate) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Scheme, host and port of an address.
pub(crate) fn origin(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    let end = url[host..].find(['/', '?', '#']).map_or(url.len(), |at| host + at);
    &url[..end]
}

/// Encodes one segment of a path.
pub(crate) fn encode(segment: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    segment.bytes().map(|byte| if plain(byte) { (byte as char).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart_and_put_together() {
        assert_eq!(origin("https://a.b:1/c?d"), "https://a.b:1");
        assert_eq!(origin("https://a.b"), "https://a.b");
        assert_eq!(encode("refs/pr/1 é"), "refs%2Fpr%2F1%20%C3%A9");
    }
}
