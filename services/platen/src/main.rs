//! The command: client verbs, and `platen up`, every service in one process.

use std::process::ExitCode;

use clap::Parser;

mod cli;
mod client;
mod down;
mod events;
mod fail;
mod images;
mod import;
mod logs;
mod output;
mod processes;
mod prune;
mod quickstart;
mod sources;
mod storage;
mod up;
mod verify;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    if cli.is_factory() {
        chassis::heaps::few();
    }
    chassis::service::install_crypto();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            return fail::report(&anyhow::Error::from(error).context("the runtime cannot be started"));
        }
    };
    let outcome = runtime.block_on(cli::run(cli));
    // Blocking threads (a terminal's input, a name being looked up) must not hold the end up.
    runtime.shutdown_background();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail::report(&error),
    }
}
