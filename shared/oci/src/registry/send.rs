//! One request: its redirects, its challenge, its further attempts.

use std::time::{Duration, SystemTime};

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Method, Response, StatusCode};
use url::{Origin, Url};

use super::RegistryError;
use super::challenge;
use super::door::{chain, is_no_http, was_closed};
use super::patience::{is_passing, wished_pause};
use super::policy::Door;
use super::repository::Inner;

/// How many redirects are followed.
const MAX_REDIRECTS: usize = 5;
/// When to come back to a registry that limits requests and does not say.
const UNTOLD_LIMIT: Duration = Duration::from_secs(60);

/// A failed attempt, and how long the registry wants to be left alone.
pub(super) struct Failure {
    pub(super) error: RegistryError,
    pub(super) wish: Option<Duration>,
}

impl From<RegistryError> for Failure {
    fn from(error: RegistryError) -> Self {
        Self { error, wish: None }
    }
}

impl Failure {
    /// What a status that is no success and no refusal means.
    pub(super) fn of_status(host: &str, status: StatusCode, headers: &HeaderMap) -> Self {
        let wish = wished_pause(headers, SystemTime::now());
        let error = if status == StatusCode::TOO_MANY_REQUESTS {
            let retry_at = SystemTime::now() + wish.unwrap_or(UNTOLD_LIMIT);
            RegistryError::RateLimited { host: host.to_owned(), retry_at }
        } else if is_passing(status) || status.is_server_error() {
            RegistryError::passing(host, format!("status {status}"), wish)
        } else {
            RegistryError::nonsense(host, format!("status {status}"))
        };
        Self { error, wish }
    }
}

/// A host for a message, with its port where that is not the usual one.
pub(super) fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

impl Inner {
    /// Sends a request below the registry's base url until it is answered or patience ends.
    ///
    /// Answers that are successes, refusals or "not found" come back as they are.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: HeaderMap,
    ) -> Result<Response, RegistryError> {
        let url =
            self.base.join(path).map_err(|e| RegistryError::nonsense(&host_of(&self.base), e.to_string()))?;
        let mut failed = 0;
        loop {
            let Failure { error, wish } = match self.attempt(&method, url.clone(), &headers).await {
                Ok(response) => return Ok(response),
                Err(failure) => failure,
            };
            failed += 1;
            let too_long = wish.is_some_and(|wish| wish > self.patience.retry_after_max);
            // Silence has taken its time already; whoever asked may come back later.
            let silent = matches!(error, RegistryError::Timeout { .. });
            if error.is_permanent() || too_long || silent || failed >= self.patience.attempts {
                return Err(error);
            }
            let pause = self.patience.pause_after(failed).max(wish.unwrap_or_default());
            tracing::debug!(%error, ?pause, failed, "a request to the registry is tried again");
            tokio::time::sleep(pause).await;
        }
    }

    async fn attempt(&self, method: &Method, url: Url, headers: &HeaderMap) -> Result<Response, Failure> {
        let home = self.base.origin();
        let pass = self.auth.current().await;
        let shown = pass.as_ref().map(|p| p.header.clone());
        let mut response = self.follow(method, url.clone(), &home, shown, headers).await?;
        let refused = response.status() == StatusCode::UNAUTHORIZED && response.url().origin() == home;
        if let Some(challenge) = challenge::pick(response.headers()).filter(|_| refused) {
            // Once: a registry that asks again for what it has just been shown will not be satisfied.
            if let Some(pass) = self.answer(challenge, pass.as_ref()).await? {
                response = self.follow(method, url, &home, Some(pass.header), headers).await?;
            }
        }
        let status = response.status();
        if is_passing(status) || status.is_server_error() {
            return Err(Failure::of_status(&host_of(response.url()), status, response.headers()));
        }
        Ok(response)
    }

    /// Follows redirects by hand: each place is checked anew, and `authorization` is for `home` alone.
    pub(super) async fn follow(
        &self,
        method: &Method,
        mut url: Url,
        home: &Origin,
        authorization: Option<HeaderValue>,
        headers: &HeaderMap,
    ) -> Result<Response, Failure> {
        for _ in 0..=MAX_REDIRECTS {
            let door = self.doors.policy.approach(&url, &self.base)?;
            let mut request =
                self.doors.client(door).request(method.clone(), url.clone()).headers(headers.clone());
            if let Some(authorization) = authorization.clone().filter(|_| url.origin() == *home) {
                request = request.header(AUTHORIZATION, authorization);
            }
            let wait = self.patience.connect + self.patience.silence;
            let response = match tokio::time::timeout(wait, request.send()).await {
                Ok(Ok(response)) => response,
                Ok(Err(error)) => return Err(unsent(&url, door, error).into()),
                Err(_) => {
                    let why = format!("no answer came within {wait:?}");
                    return Err(RegistryError::timeout(&host_of(&url), why).into());
                }
            };
            let Some(next) = redirect(&response)? else { return Ok(response) };
            if url.scheme() == "https" && next.scheme() != "https" {
                return Err(RegistryError::blocked(&next, "a redirect leads from https elsewhere").into());
            }
            url = next;
        }
        let why = format!("it redirected more than {MAX_REDIRECTS} times");
        Err(RegistryError::nonsense(&host_of(&url), why).into())
    }
}

/// Where a response sends us, if it does.
fn redirect(response: &Response) -> Result<Option<Url>, RegistryError> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    let next = location.and_then(|location| response.url().join(location).ok());
    let nonsense = || RegistryError::nonsense(&host_of(response.url()), "it redirected to nowhere");
    next.map(Some).ok_or_else(nonsense)
}

/// Why a request got no answer. The url is left out of the cause: a redirect's query may hold a signature.
fn unsent(url: &Url, door: Door, error: reqwest::Error) -> RegistryError {
    if was_closed(&error) {
        return RegistryError::blocked(url, door.closed());
    }
    let (host, no_http, why) = (host_of(url), is_no_http(&error), chain(&error.without_url()));
    if no_http {
        return RegistryError::nonsense(&host, format!("what it sent is not HTTP: {why}"));
    }
    RegistryError::Unreachable { host, why }
}
