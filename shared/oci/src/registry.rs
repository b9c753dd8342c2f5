//! The registry client: pulls manifests and blobs, and gives up only for a reason it can name.
//!
//! What it promises: bytes are held to digest and size while they stream; nothing is read without a bound; a cut
//! is resumed; waiting is bounded ([`Patience`]); and it never connects to an address its [`NetworkPolicy`] does
//! not allow, whether a tenant, a registry, a token realm or a redirect names it.
//!
//! It follows the OCI distribution specification (pull) and Docker's token authentication.

mod address;
mod auth;
mod blob;
mod blocking;
mod body;
mod challenge;
mod client;
mod door;
mod error;
mod fetch;
mod image;
mod patience;
mod policy;
mod recent;
mod repository;
mod send;
mod token;

pub use auth::Credentials;
pub use blob::BlobStream;
pub use blocking::{BlobReader, blocking_reader};
pub use client::Client;
pub use error::RegistryError;
pub use image::RegistryImage;
pub use patience::Patience;
pub use policy::{Dial, HostPort, NetworkPolicy};
pub use repository::{Fetched, Repository};

#[cfg(test)]
mod tests;
