//! The HTTP door: `/v1`, uploads, log and event streams.
//!
//! This service answers and asks; it never works on an image. What it accepts it writes to Postgres together with
//! the event that tells of it, and the stages take it from there.

use std::net::SocketAddr;

use anyhow::Result;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use chassis::Context;
use store::{Store, StoreConfig};
use tower_http::limit::RequestBodyLimitLayer;

mod answer;
mod caller;
mod routes;
mod sse;

/// A JSON body may have this many bytes.
const BODY: usize = 1024 * 1024;

/// What every route is given.
#[derive(Clone)]
pub(crate) struct App {
    pub cx: Context,
    pub store: Store,
}

/// The routes of this service.
///
/// # Errors
/// When the store cannot be opened.
pub fn routes(cx: &Context) -> Result<Router> {
    let app = App {
        cx: cx.clone(),
        store: Store::open(StoreConfig { threads: 1, ..StoreConfig::local(cx.config.store_dir()) })?,
    };
    let bounded = Router::new()
        .merge(routes::images::routes())
        .merge(routes::tasks::routes())
        .merge(routes::sources::routes())
        .merge(routes::logs::routes())
        .merge(routes::events::routes())
        .merge(routes::hubs::routes())
        .merge(routes::integrations::routes())
        .merge(routes::health::routes())
        .layer(RequestBodyLimitLayer::new(BODY));
    // An upload is bounded by its own cap, not by this.
    let uploads = routes::uploads::routes().layer(DefaultBodyLimit::disable());
    Ok(bounded.merge(uploads).fallback(answer::no_such_route).with_state(app))
}

/// Serves on an address of its own until shutdown.
///
/// # Errors
/// When the address cannot be listened on.
pub async fn serve(cx: Context, listen: SocketAddr) -> Result<()> {
    let listener = chassis::serve::bind(listen).await?;
    chassis::serve::serve(listener, routes(&cx)?, cx.shutdown.clone()).await
}
