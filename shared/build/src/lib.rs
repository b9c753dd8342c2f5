//! Code in, layers out: git, build contexts, and the builders that turn them into images.
//!
//! No rows, no subjects: what a build says goes to whoever listens ([`Say`]), and what it makes is taken by the factory.

use std::sync::Arc;

use model::log::Stream;

mod error;
pub mod git;

pub use error::BuildError;

/// Where the output of a command goes, as it appears: whole lines, without their end.
pub type Say = Arc<dyn Fn(Stream, &str) + Send + Sync>;
