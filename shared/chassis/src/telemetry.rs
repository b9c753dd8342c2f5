//! The operator's log: sentences with fields, on standard error.

use tracing_subscriber::EnvFilter;

/// Sets the process's log up. `RUST_LOG` filters it, `PLATEN_LOG_FORMAT=json` makes it JSON lines.
pub fn init(default: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let log =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    let json = std::env::var("PLATEN_LOG_FORMAT").is_ok_and(|format| format == "json");
    // A second call (in tests) changes nothing.
    let _ = if json { log.json().try_init() } else { log.try_init() };
}
