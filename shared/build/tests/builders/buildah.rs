//! buildah, by the suite.

use build::Builder;
use build::buildah::Buildah;
use oci::registry::{Client, NetworkPolicy};

use crate::bench::{BASE, Bench};
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

#[tokio::test]
async fn a_cache_that_has_grown_too_large_is_emptied_and_filled_again() {
    let mut bench = Bench::new();
    let small = Builder::Buildah(Buildah { cache: 1, ..buildah() });
    let dockerfile = format!("{BASE}RUN --mount=type=cache,target=/cache touch /cache/x\n");
    for (builder, cached) in [(here(), false), (here(), true), (small, false), (here(), true)] {
        bench.said.lock().unwrap().clear();
        let (job, request) = bench.job(&[("Dockerfile", &dockerfile)]);
        let built = bench.build(&builder, &job, &request).await;
        built.unwrap_or_else(|e| panic!("{e}\n{}", bench.log()));
        assert_eq!(bench.log().contains("CACHED"), cached, "{}", bench.log());
    }
}
