//! `image.import.requested`: import into a shell.
//!
//! From Platen's own services the event is only a bell; from outside it is a request, which [`crate::request`]
//! turns into a row. The work itself always comes from the row.

use std::time::Duration;

use anyhow::Result;
use bus::Message;
use chassis::stage::Worker;
use chassis::{Context, Halt, Job};
use db::import::Claim;
use model::log::Stage;
use model::{Failure, State};
use oci::registry::Client;
use store::{Store, StoreConfig};

use crate::flat::{Flattened, flatten};
use crate::input::Input;
use crate::request;

/// Imports images.
pub(crate) struct Importer {
    client: Client,
    store: Store,
}

impl Importer {
    pub(crate) fn new(cx: &Context) -> Result<Self> {
        let store = Store::open(StoreConfig::local(cx.config.store_dir()))?;
        Ok(Self { client: cx.registry.clone(), store })
    }
}

/// How long a part of the work may take before it is told that it has begun: what is done by then is told with its end.
const PROMPT: Duration = Duration::from_millis(300);

/// Does a part of the work, and tells that it has begun if it lasts.
pub(crate) async fn lasting<T>(
    cx: &Context,
    job: &Job,
    work: impl Future<Output = Result<T, Halt>>,
) -> Result<T, Halt> {
    tokio::pin!(work);
    tokio::select! {
        done = &mut work => return done,
        () = tokio::time::sleep(PROMPT) => {}
    }
    cx.db.begins(&job.claim, "factory").await?;
    work.await
}

impl Worker for Importer {
    const STAGE: Stage = Stage::Factory;

    async fn claim(&self, cx: &Context, light: bool) -> db::Result<Option<Claim>> {
        match cx.db.claim_to_flatten(&cx.instance, light).await? {
            None if !light => cx.db.claim_to_build(&cx.instance, cx.config.build.builds.max(1).into()).await,
            claimed => Ok(claimed),
        }
    }

    async fn work(&self, cx: &Context, job: &Job) -> Result<(), Halt> {
        let pin = job.claim.pin.clone();
        let pin =
            pin.ok_or_else(|| Failure::transient("import.unpinned", "The import is not pinned yet."))?;
        if job.claim.lapses > db::import::MAX_LAPSES {
            let told = "Given up: every factory that tried this import went away in the middle of it.";
            return Err(Failure::permanent("attempts.exhausted", told).into());
        }
        // Whoever had it before may have been further.
        if job.claim.state != State::New {
            cx.db.advance(&job.claim, job.claim.first_state(), "factory").await?;
        }
        let source = job.source(cx).await?;
        let input = Input::open(cx, job, &self.client, &self.store, &source, &pin);
        let input = lasting(cx, job, input).await?;
        let Flattened { saved, said } = flatten(cx, job, &self.store, &source, &pin, input).await?;
        for line in said {
            job.log.say(line);
        }
        let end = job.log.flush().await;
        cx.db.flattened(&job.claim, &saved, end).await?;
        Ok(())
    }

    async fn hear(&self, cx: &Context, bell: &Message) {
        request::hear(cx, bell).await;
    }
}
