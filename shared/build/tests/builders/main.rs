//! What every builder must do: one suite, run with each of them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on must stop"
)]

mod bench;
mod bounds;
mod buildah;
mod buildkit;
mod isolation;
mod parents;
mod suite;
