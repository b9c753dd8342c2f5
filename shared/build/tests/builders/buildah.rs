//! buildah, by the suite.

use build::Builder;
use build::buildah::Buildah;
use oci::registry::{Client, NetworkPolicy};

use crate::suite;

/// This machine's, as a factory for one machine has it.
pub fn buildah() -> Buildah {
    let client = Client::new(NetworkPolicy::embedded()).unwrap();
    Buildah { client, allowed: Vec::new(), mirrors: Vec::new(), cache: 1 << 30 }
}

pub fn here() -> Builder {
    Builder::Buildah(buildah())
}

#[tokio::test]
async fn it_builds_what_people_write_every_day() {
    suite::everyday(&here()).await;
}

#[tokio::test]
async fn it_builds_the_stage_that_is_asked_for() {
    suite::target(&here()).await;
}

#[tokio::test]
async fn cache_mounts_last_from_build_to_build() {
    suite::cache_mount(&here()).await;
}

#[tokio::test]
async fn a_failure_names_step_and_reason() {
    suite::failures(&here()).await;
}
