//! The service `factory` as a process of its own.

use clap::Parser;

#[derive(Parser)]
#[command(name = "factory", version, about)]
struct Args {
    #[command(flatten)]
    config: chassis::Config,
}

fn main() -> anyhow::Result<()> {
    chassis::service::main("factory", Args::parse().config, factory::run)
}
