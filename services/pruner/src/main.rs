//! The service `pruner` as a process of its own.

use clap::Parser;

#[derive(Parser)]
#[command(name = "pruner", version, about)]
struct Args {
    #[command(flatten)]
    config: chassis::Config,
}

fn main() -> anyhow::Result<()> {
    chassis::service::main("pruner", Args::parse().config, pruner::run)
}
