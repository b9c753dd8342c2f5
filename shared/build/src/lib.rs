//! Code in, layers out: git, build contexts, and the builders that turn them into images.
//!
//! No rows, no subjects: what a build says goes to whoever listens ([`Say`]), and what it makes is taken by the factory.

use std::sync::Arc;

use model::log::Stream;

pub mod buildah;
pub mod builder;
pub mod buildkit;
pub mod context;
mod error;
pub mod git;
pub mod job;
pub mod parents;
pub mod process;
pub mod receive;
mod request;
pub mod sandbox;
mod size;

pub use builder::Builder;
pub use error::BuildError;
pub use request::{BuildRequest, Limits, Network, ParentLogin};

/// Removes what builds left behind whose factory went away. Blocking.
pub fn sweep(builds: &std::path::Path) {
    job::JobDir::sweep(builds);
    sandbox::sweep();
}

/// Where the output of a command goes, as it appears: whole lines, without their end.
pub type Say = Arc<dyn Fn(Stream, &str) + Send + Sync>;
