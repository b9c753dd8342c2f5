//! The lease keeper: renews a claim while the work goes on, and calls the work off once the claim is lost.

use std::time::Instant;

use db::DbError;
use db::import::{Claim, LEASE, RENEW};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::Context;

/// Renews until cancelled; cancels `lost` when the claim is somebody else's, or could not be renewed in time.
pub(crate) async fn keep(cx: Context, claim: Claim, lost: CancellationToken) {
    let mut renewed = Instant::now();
    loop {
        tokio::time::sleep(RENEW).await;
        match cx.db.renew(&claim.image, claim.attempt).await {
            Ok(()) => renewed = Instant::now(),
            Err(DbError::LeaseLost) => break,
            // The database's clock decides, but ours tells when it is time to stop hoping.
            Err(error) if renewed.elapsed() > LEASE => {
                warn!(image.id = %claim.image, error = %error, "the lease could not be renewed");
                break;
            }
            Err(_) => {}
        }
    }
    lost.cancel();
}
