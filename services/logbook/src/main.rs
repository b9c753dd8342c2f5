//! The service `logbook` as a process of its own.

use clap::Parser;

#[derive(Parser)]
#[command(name = "logbook", version, about)]
struct Args {
    #[command(flatten)]
    config: chassis::Config,
}

fn main() -> anyhow::Result<()> {
    chassis::service::main("logbook", Args::parse().config, logbook::run)
}
