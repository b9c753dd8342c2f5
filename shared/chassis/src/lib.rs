//! A process: configuration, telemetry, the stage loop, the lease keeper, the outbox relay, build logs, who may come
//! in, and sealing secrets. Every service stands on this and adds only what it does.

pub mod access;
pub mod config;
pub mod context;
pub mod deadletter;
pub mod halt;
pub mod heaps;
pub mod job;
pub mod joblog;
pub mod key;
mod lease;
pub mod logblock;
pub mod registry;
mod relay;
pub mod seal;
pub mod serve;
pub mod service;
pub mod stage;
pub mod telemetry;

pub use config::Config;
pub use context::Context;
pub use halt::Halt;
pub use job::Job;
