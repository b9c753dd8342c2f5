//! buildah, by the suite, and by what is asked of the builder on this machine alone.

use build::buildah::{Buildah, Place};
use build::job::JobDir;
use build::receive::BuiltImage;
use build::{BuildError, BuildRequest};
use oci::registry::{Client, NetworkPolicy};

use crate::bench::Bench;
use crate::suite::{self, Under};

pub fn here() -> Buildah {
    let client = Client::new(NetworkPolicy::embedded()).unwrap();
    Buildah { client, allowed: Vec::new(), mirrors: Vec::new(), cache: 1 << 30 }
}

impl Under for Buildah {
    async fn build(
        &self,
        bench: &Bench,
        job: &JobDir,
        request: &BuildRequest,
    ) -> Result<Vec<BuiltImage>, BuildError> {
        let place = Place { job, storage: &bench.storage, scope: "source" };
        Buildah::build(self, request, &place, &bench.shelf, &bench.say()).await
    }
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
