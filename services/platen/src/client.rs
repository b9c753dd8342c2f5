//! Talking to the API.

use anyhow::{Context as _, Result};
use bytes::{Bytes, BytesMut};
use model::api::{ApiError, Data, ErrorBody, Image, List};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::cli::Server;
use crate::fail::Fail;

/// A client of one factory.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    key: String,
    hub: String,
    registry: String,
}

impl Client {
    /// A client for the factory that was named.
    pub(crate) fn new(server: &Server) -> Result<Self> {
        let key = server.api_key.clone().ok_or_else(|| {
            Fail::Usage(
                "An API key is needed: set PLATEN_API_KEY (`platen up` writes it into platen.env in its data directory)."
                    .to_owned(),
            )
        })?;
        let base = server.url.trim_end_matches('/').to_owned();
        let host = url::Url::parse(&base).ok().and_then(|url| {
            let host = url.host_str()?.to_owned();
            Some(url.port().map_or(host.clone(), |port| format!("{host}:{port}")))
        });
        let host = host.ok_or_else(|| Fail::Usage(format!("`{base}` is not the address of a factory.")))?;
        let registry = server.registry.clone().unwrap_or(host);
        let http = reqwest::Client::builder()
            .connect_timeout(std::time::Duration::from_secs(10))
            .build()
            .context("the HTTP client cannot be made")?;
        Ok(Self { http, base, key, hub: server.hub.clone(), registry })
    }

    /// The reference to pull an image by.
    pub(crate) fn pull(&self, image: &Image) -> String {
        format!("{}/{}/{}:{}", self.registry, self.hub, image.source.identifier, image.id)
    }

    /// A request with the key.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base)).bearer_auth(&self.key)
    }

    /// Sends, and turns a refusal into an [`ApiError`].
    pub(crate) async fn send(&self, request: RequestBuilder) -> Result<Response> {
        let response =
            request.send().await.with_context(|| format!("the factory at {} does not answer", self.base))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let body = response.bytes().await.unwrap_or_default();
        Err(match serde_json::from_slice::<ErrorBody>(&body) {
            Ok(body) => body.error.into(),
            Err(_) => ApiError {
                status: status.as_u16(),
                code: format!("{}.unknown", status.as_u16()),
                title: status.canonical_reason().unwrap_or("Refused").to_owned(),
                detail: format!("{} answered {status}; is it a factory?", self.base),
                source: None,
                extra: None,
            }
            .into(),
        })
    }

    /// `GET`, and the `data` of the answer.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        read::<Data<T>>(self.send(self.request(Method::GET, path)).await?).await.map(|d| d.data)
    }

    /// `GET` of a list.
    pub(crate) async fn list<T: DeserializeOwned>(&self, path: &str) -> Result<List<T>> {
        read(self.send(self.request(Method::GET, path)).await?).await
    }

    /// Sends a JSON body, and reads the `data` of the answer.
    pub(crate) async fn json<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T> {
        read::<Data<T>>(self.send(self.request(method, path).json(body)).await?).await.map(|d| d.data)
    }

    /// Something of an image from where servers pull it: `manifests` or `blobs`.
    pub(crate) async fn pulled(&self, image: &Image, kind: &str, digest: &str) -> Result<Response> {
        let scheme = self.base.split_once("://").map_or("http", |(scheme, _)| scheme);
        let source = &image.source.identifier;
        let url = format!("{scheme}://{}/v2/{}/{source}/{kind}/{digest}", self.registry, self.hub);
        let accept = oci::manifest::media_type::ACCEPT;
        let request = self.http.get(url).bearer_auth(&self.key).header(reqwest::header::ACCEPT, accept);
        let response = request
            .send()
            .await
            .with_context(|| format!("the registry at {} does not answer", self.registry))?;
        if !response.status().is_success() {
            let message = format!("{kind} {digest} cannot be pulled ({})", response.status());
            return Err(Fail::Failed { code: "verify.unreadable".to_owned(), message }.into());
        }
        Ok(response)
    }

    /// A document of an image, as it is served; at most `most` bytes of it.
    pub(crate) async fn document(&self, image: &Image, kind: &str, digest: &str, most: u64) -> Result<Bytes> {
        let mut response = self.pulled(image, kind, digest).await?;
        let mut body = BytesMut::new();
        while let Some(piece) = response.chunk().await? {
            body.extend_from_slice(&piece);
            if body.len() as u64 > most {
                let message = format!("{kind} {digest} has more than {most} bytes");
                return Err(Fail::Failed { code: "verify.unreadable".to_owned(), message }.into());
            }
        }
        Ok(body.freeze())
    }

    /// An image by id, else the newest of that name.
    pub(crate) async fn image(&self, name_or_id: &str) -> Result<Image> {
        if name_or_id.parse::<model::ImageId>().is_ok() {
            match self.get::<Image>(&format!("/v1/images/{name_or_id}")).await {
                Err(error) if is_not_found(&error) => {}
                other => return other,
            }
        }
        let mut url = url::Url::parse("http://x/v1/images")?;
        url.query_pairs_mut().append_pair("filter[name]", name_or_id).append_pair("page[size]", "100");
        let path = format!("/v1/images?{}", url.query().unwrap_or_default());
        let mut images: Vec<Image> = self.list::<Image>(&path).await?.data;
        let live = images.iter().position(|i| i.state.current == model::State::Live).unwrap_or(0);
        if images.is_empty() {
            return Err(Fail::NotFound(format!("There is no image `{name_or_id}` in this hub.")).into());
        }
        Ok(images.swap_remove(live))
    }
}

fn is_not_found(error: &anyhow::Error) -> bool {
    error.downcast_ref::<ApiError>().is_some_and(|e| e.status == StatusCode::NOT_FOUND.as_u16())
}

async fn read<T: DeserializeOwned>(response: Response) -> Result<T> {
    response.json().await.context("the factory's answer cannot be read; is this client of another version?")
}
