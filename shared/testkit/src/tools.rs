//! Other people's programs.

use std::path::PathBuf;
use std::process::{Command, Output};

use embedded::{Program, install};

/// Where a program is. `cargo verify` installs them all first.
pub fn find(program: Program) -> PathBuf {
    install::find(program).unwrap_or_else(|missing| panic!("{missing} (`cargo verify` does it)"))
}

/// A command of a program.
pub fn command(program: Program) -> Command {
    Command::new(find(program))
}

/// Runs a command that must work; what it prints on standard output.
pub fn run(command: &mut Command) -> String {
    let output = output(command);
    assert!(
        output.status.success(),
        "{command:?} failed ({}):\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Runs a command, whatever comes of it.
pub fn output(command: &mut Command) -> Output {
    command
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap_or_else(|e| panic!("{command:?} cannot be run: {e}"))
}

/// A port that is free just now.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
    listener.local_addr().expect("it has an address").port()
}
