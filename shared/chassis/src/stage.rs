//! The stage loop: wait for the bell, claim the next row, do the work, hand it on.
//!
//! A slot claims until there is nothing left, then waits for a bell or five seconds, whichever is first. A bell wakes one
//! slot of each kind, and each that finds work wakes the next. So a lost message costs five seconds, a doubled one a query, and a worker that vanished is taken over when its lease
//! lapses: the periodic look and the message share one code path.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bus::{Message, Pull};
use db::import::Claim;
use db::import::end::Ended;
use futures::StreamExt;
use model::log::Stage;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::joblog::JobLog;
use crate::{Context, Halt, Job, lease};

/// How long a slot waits for a bell before it looks for work by itself.
pub const SWEEP: Duration = Duration::from_secs(5);

/// Slots for light imports beside each for any: these wait for the network and the disk more than they work, and what is small
/// need not wait behind what is not.
const LIGHT: usize = 3;

/// Bells taken at once, and heard at once: few, so that other copies of a service hear some too.
const BELLS: usize = 8;

/// What a stage does with an import.
pub trait Worker: Send + Sync + 'static {
    /// Its name.
    const STAGE: Stage;

    /// Claims the next import this stage can work on; only one that takes next to no memory or time, if it is to be `light`.
    fn claim(&self, cx: &Context, light: bool) -> impl Future<Output = db::Result<Option<Claim>>> + Send;

    /// Works on it, and hands it on in its last transaction.
    fn work(&self, cx: &Context, job: &Job) -> impl Future<Output = Result<(), Halt>> + Send;

    /// A bell rang. Most bells are only that.
    fn hear(&self, cx: &Context, bell: &Message) -> impl Future<Output = ()> + Send {
        let _ = cx;
        async move { bell.ack().await }
    }
}

/// Runs a stage until shutdown, on as many slots for each bell as the settings say; work in hand is finished first.
pub async fn run<W: Worker>(cx: Context, worker: W, bells: Vec<Pull>) {
    let worker = Arc::new(worker);
    let rung = Arc::new(Rung::default());
    let mut tasks = JoinSet::new();
    for bell in bells {
        for _ in 0..cx.config.slots.max(1) {
            tasks.spawn(slot(cx.clone(), Arc::clone(&worker), Arc::clone(&rung), false));
            for _ in 0..LIGHT {
                tasks.spawn(slot(cx.clone(), Arc::clone(&worker), Arc::clone(&rung), true));
            }
        }
        tasks.spawn(listen(cx.clone(), Arc::clone(&worker), bell, Arc::clone(&rung)));
    }
    while tasks.join_next().await.is_some() {}
}

/// What wakes slots: those for any import and those for light ones apart, since the latter find nothing where the former would.
#[derive(Default)]
struct Rung {
    any: Notify,
    light: Notify,
}

impl Rung {
    /// Wakes one slot of each kind; of light ones alone if a light import was all that was seen.
    fn ring(&self, light: bool) {
        self.light.notify_one();
        if !light {
            self.any.notify_one();
        }
    }

    async fn rung(&self, light: bool) {
        if light { self.light.notified().await } else { self.any.notified().await }
    }
}

/// Hears the bells: however many ring at once, one slot of each kind is woken.
async fn listen<W: Worker>(cx: Context, worker: Arc<W>, mut bell: Pull, rung: Arc<Rung>) {
    while !cx.shutdown.is_cancelled() {
        let heard = tokio::select! {
            heard = bell.some(BELLS, SWEEP, Duration::ZERO) => heard,
            () = cx.shutdown.cancelled() => Vec::new(),
        };
        if heard.is_empty() {
            continue;
        }
        futures::stream::iter(&heard).for_each_concurrent(BELLS, |message| worker.hear(&cx, message)).await;
        rung.ring(false);
    }
}

async fn slot<W: Worker>(cx: Context, worker: Arc<W>, rung: Arc<Rung>, light: bool) {
    // What nobody rings for, the others find and ring for.
    let sweep = if light { SWEEP * 12 } else { SWEEP };
    let mut nap = sweep;
    while !cx.shutdown.is_cancelled() {
        match worker.claim(&cx, light).await {
            Ok(Some(claim)) => {
                // Where there was one, there may be more: the next slot looks, and wakes the next.
                rung.ring(light);
                // What was put back is due before the next sweep.
                nap = work(&cx, worker.as_ref(), claim).await.map_or(nap, |due| nap.min(due));
                continue;
            }
            Ok(None) => {}
            Err(error) => {
                warn!(stage = W::STAGE.as_str(), error = %crate::halt::chain(&error), "no work can be claimed");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
        tokio::select! {
            () = rung.rung(light) => {}
            () = tokio::time::sleep(nap) => nap = sweep,
            () = cx.shutdown.cancelled() => {}
        }
    }
}

/// Works on a claim; answers when it is due again, if it was put back.
async fn work<W: Worker>(cx: &Context, worker: &W, claim: Claim) -> Option<Duration> {
    let lost = CancellationToken::new();
    let keeper = tokio::spawn(lease::keep(cx.clone(), claim.clone(), lost.clone()));
    let log = JobLog::open(cx.bus.clone(), &claim, W::STAGE);
    let job = Job { claim, log, lost: lost.clone() };
    if job.claim.is_takeover() {
        job.log.say(format!(
            "Taken over: the {} before this one went away (attempt {}).",
            W::STAGE.as_str(),
            job.claim.attempt
        ));
    }
    let limit = Duration::from_secs(cx.config.import_limit.max(1));
    let result = tokio::select! {
        result = worker.work(cx, &job) => result,
        () = lost.cancelled() => Err(Halt::LeaseLost),
        () = tokio::time::sleep(limit) => Err(too_long(W::STAGE, limit).into()),
    };
    // Blocking threads that still work for this job see it and leave.
    lost.cancel();
    let due = match result {
        Ok(()) => None,
        Err(Halt::LeaseLost) => {
            info!(image.id = %job.claim.image, attempt = job.claim.attempt, "lease_lost: somebody else has this import now");
            None
        }
        Err(Halt::Failed { failure, chain }) => failed::<W>(cx, &job, &failure, &chain).await,
    };
    keeper.abort();
    due
}

/// The cap on everything that is bounded only by its parts: a registry that is never quite too slow, for one.
fn too_long(stage: Stage, limit: Duration) -> model::Failure {
    let told = format!("The {} was not done within {} seconds.", stage.as_str(), limit.as_secs());
    model::Failure::permanent("import.too_long", told)
}

async fn failed<W: Worker>(
    cx: &Context,
    job: &Job,
    failure: &model::Failure,
    chain: &str,
) -> Option<Duration> {
    let (image, stage) = (&job.claim.image, W::STAGE);
    warn!(image.id = %image, stage = stage.as_str(), code = failure.code, chain, "an import attempt failed: {failure}");
    let next = job.claim.after(failure);
    let told = if next == Ended::Failed { job.claim.last_word(failure) } else { failure.clone() };
    job.log.say(format!("Failed with {}: {}", told.code, told.message));
    if let Ended::Retried(wait) = next {
        let due = chrono::Utc::now() + wait;
        job.log.say(format!("The next attempt begins at {}.", due.format("%Y-%m-%d %H:%M:%S UTC")));
    }
    let end = job.log.flush().await;
    match cx.db.attempt_failed(&job.claim, stage, failure, end).await {
        Ok(Ended::Retried(wait)) => {
            info!(image.id = %image, ?wait, "the import will be tried again");
            return Some(wait);
        }
        Ok(Ended::Failed) => {}
        // The lease lapses, and whoever claims the import next finds the same failure.
        Err(error) => warn!(image.id = %image, error = %error, "the failure could not be recorded"),
    }
    None
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn a_bell_wakes_a_slot_that_may_take_anything() {
        let rung = Rung::default();
        rung.ring(false);
        assert!(rung.rung(true).now_or_never().is_some());
        assert!(rung.rung(false).now_or_never().is_some());
        assert!(rung.rung(false).now_or_never().is_none(), "one slot, not all");
        rung.ring(true);
        assert!(rung.rung(false).now_or_never().is_none(), "a light import says nothing of others");
        assert!(rung.rung(true).now_or_never().is_some());
    }
}
