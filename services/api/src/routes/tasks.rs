//! `/v1/images/{id}/tasks` and `/v1/images/tasks`: import, cancel, prune.

use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use db::prune::Choice;
use model::api::{Job, Prune, PruneContents, PruneReport, Task, TaskAction};

use super::images;
use crate::App;
use crate::answer::{Answer, Body, Refusal, data};
use crate::caller::Caller;

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/v1/images/{id}/tasks", post(task)).route("/v1/images/tasks", post(prune))
}

async fn task(
    State(app): State<App>,
    Caller(who): Caller,
    Path(id): Path<String>,
    Body(task): Body<Task>,
) -> Result<Response, Refusal> {
    let image = images::find(&app, &who, &id).await?;
    let action = match task.action {
        TaskAction::Import | TaskAction::Retry => {
            if image.source.kind == "none" {
                return Err(Refusal::invalid_input("A source of origin `none` has nothing to import."));
            }
            if app.cx.db.waits_for_upload(&image.id).await? {
                return Err(Refusal::conflict("The image waits for its upload: send it first."));
            }
            // One that waits for a registry's leave does not have to.
            if app.cx.db.retry_now(&who.hub, &image.id, "api").await? {
                let job = Job { id: image.id, action: "import".to_owned() };
                return Ok((StatusCode::ACCEPTED, data(job)).into_response());
            }
            let mut tx = app.cx.db.begin().await?;
            tx.request_import(&who.hub, &image.id, "api").await?;
            tx.commit().await?;
            "import"
        }
        TaskAction::Cancel => {
            if !app.cx.db.cancel_import(&who.hub, &image.id, "api").await? {
                return Err(Refusal::conflict("No import of this image is under way."));
            }
            "cancel"
        }
    };
    Ok((StatusCode::ACCEPTED, data(Job { id: image.id, action: action.to_owned() })).into_response())
}

async fn prune(State(app): State<App>, Caller(who): Caller, Body(body): Body<Prune>) -> Answer<PruneReport> {
    let Prune::Prune { contents } = body;
    let choice = choice(&contents)?;
    for source in choice.sources.iter().flatten() {
        if app.cx.db.source(&who.hub, source).await?.is_none() {
            return Err(Refusal::not_found("source", "image source", source));
        }
    }
    Ok(data(app.cx.db.prune(&who.hub, &choice, contents.dry_run, "api").await?))
}

fn choice(contents: &PruneContents) -> Result<Choice, Refusal> {
    let mut choice = Choice { sources: contents.source_ids.clone(), ..Choice::default() };
    if let Some(text) = &contents.min_age {
        choice.min_age = age(text).ok_or_else(|| {
            Refusal::invalid("contents.min_age", "An age is a number with a unit: `90s`, `15m`, `36h`, `7d`.")
        })?;
    }
    if let Some(keep) = contents.keep_last {
        choice.keep_last = keep;
    }
    Ok(choice)
}

/// `90s`, `15m`, `36h`, `7d`; at most ten years.
fn age(text: &str) -> Option<Duration> {
    let text = text.trim();
    let unit = text.chars().last()?;
    let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return None,
    };
    number.checked_mul(seconds).filter(|s| *s <= 3650 * 86_400).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages() {
        assert_eq!(age("15m"), Some(Duration::from_secs(900)));
        assert_eq!(age("0s"), Some(Duration::ZERO));
        assert_eq!(age("7d"), Some(Duration::from_secs(604_800)));
        for wrong in ["", "m", "15", "-1s", "1.5h", "15 min", "999999999999999999999d", "4000d"] {
            assert_eq!(age(wrong), None, "{wrong}");
        }
    }
}
