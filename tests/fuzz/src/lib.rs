//! What the fuzzer runs, as plain functions: an ordinary test runs every seed through them, so that they stay alive.
//!
//! Each panics when something is found.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a fuzz target says what it found by a panic"
)]

mod layer;
mod manifest;
mod mend;
mod reference;
mod stack;

pub use layer::layer;
pub use manifest::manifest;
pub use reference::reference;
pub use stack::stack;

/// Stands between the parts of an input. Parts that a fuzzer cuts or doubles stay parts.
pub const BETWEEN: &[u8] = b"\n--8<--\n";

/// The parts of an input, at most so many.
fn parts(data: &[u8], most: usize) -> Vec<&[u8]> {
    let mut found = Vec::new();
    let mut rest = data;
    while found.len() + 1 < most {
        let Some(at) = rest.windows(BETWEEN.len()).position(|window| window == BETWEEN) else { break };
        found.push(&rest[..at]);
        rest = &rest[at + BETWEEN.len()..];
    }
    found.push(rest);
    found
}

/// A code is a stable word, `room.what`.
fn assert_code(code: &str) {
    let right = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_');
    assert!(code.contains('.') && code.bytes().all(right), "a code: {code}");
}
