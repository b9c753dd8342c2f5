//! The service `api` as a process of its own.

use std::net::SocketAddr;

use clap::Parser;

#[derive(Parser)]
#[command(name = "api", version, about)]
struct Args {
    #[command(flatten)]
    config: chassis::Config,
    /// The address to serve on.
    #[arg(long, env = "PLATEN_LISTEN", default_value = "127.0.0.1:7080")]
    listen: SocketAddr,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    chassis::service::main("api", args.config, move |cx| api::serve(cx, args.listen))
}
