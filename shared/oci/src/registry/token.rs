//! Tokens: answering a challenge, the way Docker's token specification describes it (GET with scope and service).
//!
//! Where a username and password go:
//!
//! - to the registry itself, when it asks for them (`Basic`);
//! - to the token server (`realm`) that the registry names: to any host that may be reached over https, since Docker
//!   Hub's own is another host; over plain http only to the registry's own host;
//! - never along a redirect to another origin, which is also true of tokens, and never because of a `Link` header, since
//!   none is followed.
//!
//! A realm that would have to be shown a password in plain text elsewhere is refused and not asked without it: a
//! private image that "does not exist" would be a riddle.

use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde::Deserialize;
use url::Url;

use super::RegistryError;
use super::auth::{Pass, sensitive};
use super::body;
use super::challenge::Challenge;
use super::repository::Inner;
use super::send::{Failure, host_of};

/// The largest answer of a token server that is read, in bytes.
const MAX_TOKEN_BODY: u64 = 1 << 20;

#[derive(Deserialize)]
struct Answer {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

impl Inner {
    /// The pass that answers a challenge. `shown` is what the registry has just not accepted.
    ///
    /// `None` when nothing better can be shown, and the refusal stands.
    pub(super) async fn answer(
        &self,
        challenge: Challenge,
        shown: Option<&Pass>,
    ) -> Result<Option<Pass>, Failure> {
        let mut known = self.auth.pass.lock().await;
        if let Some(pass) = known.as_ref()
            && pass.holds()
            && shown.is_none_or(|shown| shown.header != pass.header)
        {
            // Another request was refused as well and has been quicker.
            return Ok(Some(pass.clone()));
        }
        let pass = match challenge {
            Challenge::Basic if shown.is_some_and(|shown| shown.is_password) => None,
            Challenge::Basic => {
                let basic = self.auth.credentials.as_ref().and_then(|c| c.basic());
                basic.map(|header| Pass { header, until: None, is_password: true })
            }
            Challenge::Bearer { realm, service, scope } => Some(self.token(&realm, service, scope).await?),
        };
        known.clone_from(&pass);
        Ok(pass)
    }

    async fn token(
        &self,
        realm: &str,
        service: Option<String>,
        scope: Option<String>,
    ) -> Result<Pass, Failure> {
        let registry = host_of(&self.base);
        let mut url = Url::parse(realm).map_err(|_| {
            RegistryError::nonsense(&registry, "the address of its token server is not a url")
        })?;
        url.set_fragment(None);
        {
            let mut query = url.query_pairs_mut();
            if let Some(service) = &service {
                query.append_pair("service", service);
            }
            query.append_pair(
                "scope",
                &scope.unwrap_or_else(|| format!("repository:{}:pull", self.repository)),
            );
        }
        let basic = self.auth.credentials.as_ref().and_then(|c| c.basic());
        if basic.is_some() && url.scheme() != "https" && url.host() != self.base.host() {
            let why =
                "the registry names it as its token server, but no password goes to another host without TLS";
            return Err(RegistryError::blocked(&url, why).into());
        }
        let response =
            self.follow(&Method::GET, url.clone(), &url.origin(), basic, &Default::default()).await?;
        let host = host_of(response.url());
        match response.status() {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if self.auth.credentials.is_some() => {
                return Err(RegistryError::Unauthorized { host, reference: self.shown.clone() }.into());
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Err(self.anonymous(host).into()),
            status => return Err(Failure::of_status(&host, status, response.headers())),
        }
        let bytes = body::read_all(response, MAX_TOKEN_BODY, &self.patience).await?;
        let nonsense = |why: &str| RegistryError::nonsense(&host, why);
        let bytes = bytes.ok_or_else(|| nonsense("its token is larger than 1 MiB"))?;
        let answer: Answer = serde_json::from_slice(&bytes)
            .map_err(|_| nonsense("its token server did not answer with a token"))?;
        let token = answer.token.or(answer.access_token).filter(|token| !token.is_empty());
        let token = token.ok_or_else(|| nonsense("its token server did not answer with a token"))?;
        let header =
            sensitive(&format!("Bearer {token}")).ok_or_else(|| nonsense("its token is malformed"))?;
        // 60 s where nothing is said, by the specification; a little less, so that it does not end on its way.
        let seconds = answer.expires_in.unwrap_or(60).clamp(10, 86_400);
        let until = Instant::now() + Duration::from_secs(seconds - seconds / 10);
        Ok(Pass { header, until: Some(until), is_password: false })
    }

    /// The refusal of someone without credentials. Docker Hub, for one, says the same of what does not exist.
    pub(super) fn anonymous(&self, host: String) -> RegistryError {
        let why = "it does not exist, or it is private and needs credentials".to_owned();
        RegistryError::Denied { host, reference: self.shown.clone(), why }
    }
}
