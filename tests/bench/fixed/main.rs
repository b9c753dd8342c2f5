//! What an import costs however small it is, what a log line costs, and what a pull of a manifest costs.
//!
//! ```text
//! cargo build --release -p platen && cargo run --release -p tests --bin bench-fixed -- latency|rate|logs|pulls …
//!   latency [COUNT]             one tiny import after the other, each a new image: request to live
//!   rate [COUNT] [--same]       all at once by API; each a source and image of its own, or all one source and image
//!   logs [SECONDS]              20 imports, 1,000 lines a second each: what all of Platen's processes use of a core
//!   flood [SECONDS]             as many lines as can be kept
//!   pulls [SECONDS]             manifests by tag and digest, and a config, beside CNCF Distribution, with wrk
//! ```
//!
//! Each starts a private `platen up` in a directory of its own. Every figure is also a line
//! `FIGURE<TAB>name<TAB>value<TAB>unit<TAB>target or peer` at the end.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "for tests only"
)]

use std::process::ExitCode;
use std::time::Duration;

mod cpu;
mod http;
mod latency;
mod live;
mod logs;
mod pulls;
mod rate;
mod tiny;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let same = arguments.iter().any(|a| a == "--same");
    let number = |usual: u64| arguments.iter().filter_map(|a| a.parse().ok()).next().unwrap_or(usual);
    let seconds = |usual| Duration::from_secs(number(usual));
    match arguments.first().map(String::as_str) {
        Some("latency") => latency::run(number(200)),
        Some("rate") => rate::run(number(500), same),
        Some("logs") => logs::steady(seconds(10)),
        Some("flood") => logs::flood(seconds(10)),
        Some("pulls") => pulls::run(seconds(5)),
        _ => {
            eprintln!("usage: bench-fixed latency|rate|logs|flood|pulls [NUMBER] [--same]");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

/// A line for programs.
fn figure(name: &str, value: f64, unit: &str, beside: &str) {
    println!("FIGURE\t{name}\t{value:.2}\t{unit}\t{beside}");
}

/// Median, 90th and 99th percentile in milliseconds.
fn percentiles(times: &mut [Duration]) -> [f64; 3] {
    times.sort();
    let last = times.len().saturating_sub(1) as f64;
    [0.5, 0.9, 0.99].map(|part| times[(last * part).round() as usize].as_secs_f64() * 1000.0)
}
