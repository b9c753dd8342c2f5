//! The service `resolver` as a process of its own.

use clap::Parser;

#[derive(Parser)]
#[command(name = "resolver", version, about)]
struct Args {
    #[command(flatten)]
    config: chassis::Config,
}

fn main() -> anyhow::Result<()> {
    chassis::service::main("resolver", Args::parse().config, resolver::run)
}
