//! A file that a user named by its address: fetched under the same rules as everything else.

use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt, try_unfold};
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use url::Url;

use super::RegistryError;
use super::auth::Auth;
use super::body::Body;
use super::client::Client;
use super::recent::Documents;
use super::repository::Inner;
use super::send::{Failure, host_of};

impl Client {
    /// Fetches a file over http or https. Its bytes are whatever the server sends: nothing says what they should be.
    ///
    /// # Errors
    /// `ssrf.blocked`, and every [`RegistryError`] of a server that does not answer well.
    pub async fn fetch(
        &self,
        url: &Url,
    ) -> Result<BoxStream<'static, Result<Bytes, RegistryError>>, RegistryError> {
        let host = host_of(url);
        // A query may hold a signature, which is nobody's business.
        let mut shown = url.clone();
        shown.set_query(None);
        shown.set_fragment(None);
        let inner = Inner {
            doors: self.doors.clone(),
            patience: self.patience.clone(),
            base: url.clone(),
            repository: String::new(),
            shown: shown.to_string(),
            auth: Auth::new(None),
            documents: Documents::default(),
        };
        let asked = inner.follow(&Method::GET, url.clone(), &url.origin(), None, &HeaderMap::new()).await;
        let response = asked.map_err(|failure| failure.error)?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND | StatusCode::GONE => {
                let what = "there is no such file".to_owned();
                return Err(RegistryError::NotFound { reference: inner.shown, what });
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                let why = format!("status {}", response.status());
                return Err(RegistryError::Denied { host, reference: inner.shown, why });
            }
            status => return Err(Failure::of_status(&host, status, response.headers()).error),
        }
        let body = Body::new(response, inner.patience.clone());
        let next = |mut body: Body| async move { Ok(body.chunk().await?.map(|bytes| (bytes, body))) };
        Ok(try_unfold(body, next).boxed())
    }
}
