//! Who is calling. Every route but health takes a [`Caller`], so none can forget to ask.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use model::access::Principal;

use crate::App;
use crate::answer::Refusal;

/// An authenticated caller, in the hub of its key.
pub(crate) struct Caller(pub Principal);

impl FromRequestParts<App> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        let principal = chassis::access::authenticate(&app.cx.db, &parts.headers).await?;
        // The header is optional, since a key belongs to one hub; but naming another hub is a mistake to tell.
        if let Some(wanted) = parts.headers.get("x-hub-id").and_then(|v| v.to_str().ok())
            && wanted != principal.hub.as_str()
            && wanted != principal.hub_identifier
        {
            return Err(Refusal::forbidden("The API key does not belong to the hub in `X-Hub-Id`."));
        }
        Ok(Self(principal))
    }
}
