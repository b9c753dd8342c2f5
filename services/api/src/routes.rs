//! One file a noun.

mod builds;
pub(crate) mod events;
pub(crate) mod health;
pub(crate) mod hubs;
pub(crate) mod images;
pub(crate) mod integrations;
pub(crate) mod logs;
mod named;
mod page;
pub(crate) mod sources;
pub(crate) mod tasks;
pub(crate) mod uploads;
