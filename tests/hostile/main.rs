//! The numbered hostile and edge inputs, each through a whole factory of its own: uploaded or pulled as a user would,
//! flattened, stored, verified and served, or refused with its code.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on must stop"
)]

mod archives;
mod case;
mod compression;
mod costs;
mod hardlinks;
mod manifests;
mod metadata;
mod network;
mod paths;
mod sparse;
mod tar;
mod whiteouts;
