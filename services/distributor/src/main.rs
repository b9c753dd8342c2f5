//! The service `distributor` as a process of its own.

use std::net::SocketAddr;

use clap::Parser;

#[derive(Parser)]
#[command(name = "distributor", version, about)]
struct Args {
    #[command(flatten)]
    config: chassis::Config,
    /// The address to serve on.
    #[arg(long, env = "PLATEN_LISTEN", default_value = "127.0.0.1:7081")]
    listen: SocketAddr,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    chassis::service::main("distributor", args.config, move |cx| distributor::serve(cx, args.listen))
}
