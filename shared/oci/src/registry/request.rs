//! One request: let in, redirected by hand, tried again.

use std::time::{Duration, SystemTime};

use reqwest::header::{self, HeaderMap};
use reqwest::{Response, StatusCode};
use secrecy::ExposeSecret;
use url::Url;

use super::auth::{self, Challenge};
use super::policy::{LEFT_OUT, Named};
use super::{RegistryError, Repository};

/// What may be answered for a manifest.
pub(super) const MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";

const REDIRECTS: usize = 5;
/// A token's or an error's body has at most this many bytes.
const SMALL: u64 = 1024 * 1024;

impl Repository {
    pub(super) fn url(&self, rest: &str) -> Result<Url, RegistryError> {
        let path = format!("/v2/{}/{rest}", self.target.repository);
        self.target.registry.join(&path).map_err(|_| self.answer("with an address that is none", false))
    }

    /// Gets something, from an offset on. Only a success is answered.
    pub(super) async fn get(&self, url: Url, accept: &str, offset: u64) -> Result<Response, RegistryError> {
        let mut tried = 0;
        let mut challenged = 0;
        loop {
            let result = self.once(&url, accept, offset).await;
            let error = match result {
                Ok(response) if response.status() == StatusCode::UNAUTHORIZED => {
                    challenged += 1;
                    // Once to learn what is asked, once more for a token that has run out.
                    if challenged > 2 || !self.let_in(&response).await? {
                        return Err(RegistryError::Unauthorized { target: self.target.to_string() });
                    }
                    continue;
                }
                Ok(response) if response.status().is_success() => return Ok(response),
                Ok(response) => self.refusal(response).await,
                Err(error) => error,
            };
            tried += 1;
            let wait = self.wait(&error, tried);
            if error.is_permanent() || tried >= self.patience.tries || wait > self.patience.longest_wait {
                return Err(error);
            }
            tokio::time::sleep(wait).await;
        }
    }

    async fn once(&self, url: &Url, accept: &str, offset: u64) -> Result<Response, RegistryError> {
        let mut url = url.clone();
        for _ in 0..=REDIRECTS {
            let home = self.is_home(&url);
            let mut headers = HeaderMap::new();
            if let Ok(accept) = accept.parse() {
                headers.insert(header::ACCEPT, accept);
            }
            if offset > 0
                && let Ok(range) = format!("bytes={offset}-").parse()
            {
                headers.insert(header::RANGE, range);
            }
            // Credentials stay at home (CVE-2020-15157).
            if home
                && let Some(auth) = self.auth.header()
                && let Ok(mut value) = auth.expose_secret().parse::<header::HeaderValue>()
            {
                value.set_sensitive(true);
                headers.insert(header::AUTHORIZATION, value);
            }
            let response = self.send(&url, headers).await?;
            if !response.status().is_redirection() {
                return Ok(response);
            }
            let next = response.headers().get(header::LOCATION).and_then(|v| v.to_str().ok());
            let next = next
                .and_then(|next| url.join(next).ok())
                .ok_or_else(|| self.answer("a redirect to nowhere", false))?;
            if url.scheme() == "https" && next.scheme() != "https" {
                return Err(RegistryError::Blocked { host: host(&next) });
            }
            url = next;
        }
        Err(self.answer("too many redirects", false))
    }

    fn is_home(&self, url: &Url) -> bool {
        let home = &self.target.registry;
        url.scheme() == home.scheme()
            && url.host_str() == home.host_str()
            && url.port_or_known_default() == home.port_or_known_default()
    }

    async fn send(&self, url: &Url, headers: HeaderMap) -> Result<Response, RegistryError> {
        let named = if self.is_home(url) { Named::ByUser } else { Named::ByRegistry };
        let client = self.guard.client(url, named).map_err(|host| RegistryError::Blocked { host })?;
        let sent = client.get(url.clone()).headers(headers).send();
        match tokio::time::timeout(self.patience.idle, sent).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(self.unreachable(url, &error)),
            Err(_) => Err(self.slow("it sent no answer")),
        }
    }

    /// Gets what a challenge asks for; false when it cannot be had.
    async fn let_in(&self, response: &Response) -> Result<bool, RegistryError> {
        let challenges = response.headers().get_all(header::WWW_AUTHENTICATE);
        let Some(challenge) = auth::challenge(challenges.iter().filter_map(|v| v.to_str().ok())) else {
            return Ok(false);
        };
        if challenge == Challenge::Basic {
            return Ok(self.auth.use_basic());
        }
        let Some(url) = self.auth.token_url(&challenge) else { return Ok(false) };
        if self.target.registry.scheme() == "https" && url.scheme() != "https" {
            return Err(RegistryError::Blocked { host: host(&url) });
        }
        let mut headers = HeaderMap::new();
        if let Some(basic) = self.auth.basic()
            && let Ok(mut value) = basic.expose_secret().parse::<header::HeaderValue>()
        {
            value.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, value);
        }
        let answer = self.send(&url, headers).await?;
        if answer.status().is_server_error() || answer.status() == StatusCode::TOO_MANY_REQUESTS {
            return Err(self.refusal(answer).await);
        }
        if !answer.status().is_success() {
            return Ok(false);
        }
        let body = self.body(answer, SMALL, "token").await?;
        Ok(self.auth.use_token(&body))
    }

    /// A whole body, bounded.
    pub(super) async fn body(
        &self,
        mut response: Response,
        most: u64,
        what: &str,
    ) -> Result<Vec<u8>, RegistryError> {
        let mut bytes = Vec::new();
        loop {
            let piece = tokio::time::timeout(self.patience.idle, response.chunk()).await;
            let piece = piece.map_err(|_| self.slow("its answer stopped in the middle"))?;
            match piece
                .map_err(|e| self.answer(&format!("a {what} that broke off ({})", reason(&e)), true))?
            {
                Some(piece) => bytes.extend_from_slice(&piece),
                None => return Ok(bytes),
            }
            if bytes.len() as u64 > most {
                return Err(self.answer(&format!("a {what} of more than {most} bytes"), false));
            }
        }
    }

    async fn refusal(&self, response: Response) -> RegistryError {
        let target = self.target.to_string();
        match response.status() {
            StatusCode::NOT_FOUND => RegistryError::NotFound { target },
            StatusCode::FORBIDDEN => RegistryError::Denied { target },
            StatusCode::TOO_MANY_REQUESTS => {
                RegistryError::RateLimited { target, retry_after: retry_after(response.headers()) }
            }
            status => self.answer(&format!("{status}"), status.is_server_error()),
        }
    }

    fn wait(&self, error: &RegistryError, tried: u32) -> Duration {
        if let RegistryError::RateLimited { retry_after: Some(wait), .. } = error {
            return *wait;
        }
        let base = self.patience.backoff.saturating_mul(1 << tried.min(8).saturating_sub(1));
        // Up to half as much again, so that a crowd does not come back all at once.
        let nanos = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.subsec_nanos());
        base + base.mul_f64(f64::from(nanos % 1000) / 2000.0)
    }

    pub(super) fn answer(&self, why: &str, passing: bool) -> RegistryError {
        RegistryError::Answer { target: self.target.to_string(), why: why.to_owned(), passing }
    }

    pub(super) fn slow(&self, why: &str) -> RegistryError {
        RegistryError::Timeout { target: self.target.to_string(), why: why.to_owned() }
    }

    fn unreachable(&self, url: &Url, error: &reqwest::Error) -> RegistryError {
        let why = reason(error);
        if why.contains(LEFT_OUT) {
            return RegistryError::Blocked { host: host(url) };
        }
        RegistryError::Unreachable { target: self.target.to_string(), why }
    }
}

/// The innermost cause: the rest of the chain only repeats the URL.
pub(super) fn reason(error: &reqwest::Error) -> String {
    let mut inner: &dyn std::error::Error = error;
    while let Some(cause) = inner.source() {
        inner = cause;
    }
    inner.to_string()
}

fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    format!("{}://{host}:{}", url.scheme(), url.port_or_known_default().unwrap_or(0))
}

/// `Retry-After` (RFC 9110 section 10.2.3): seconds; a date is taken for a minute, which is what registries mean.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    match text.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) if text.contains("GMT") => Some(Duration::from_secs(60)),
        Err(_) => None,
    }
}
