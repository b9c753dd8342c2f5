//! `platen quickstart`.
use anyhow::Result;
use clap::Args;
/// Start.
#[derive(Debug, Args)]
pub(crate) struct Quickstart {}
pub(crate) async fn run(_: Quickstart) -> Result<()> { Ok(()) }
