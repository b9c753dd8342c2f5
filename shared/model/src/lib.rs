//! The words: ids, states, sources, events, log lines and API bodies.
//!
//! This crate holds names and shapes only. It does no I/O, knows no server, and depends on little but serde, so
//! that anything (a service, the command line, a test, another program) can speak Platen's language.

pub mod access;
pub mod api;
pub mod event;
pub mod failure;
pub mod id;
pub mod image;
pub mod log;
pub mod pin;
pub mod secret;
pub mod source;
pub mod state;

pub use failure::Failure;
pub use id::{HubId, ImageId, IntegrationId, KeyId, SourceId};
pub use secret::Secret;
pub use state::State;
