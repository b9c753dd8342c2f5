//! The bytes and rules of the OCI specifications, and talking to a registry.
//!
//! Everything here treats its input as hostile: every size is bounded before it is allocated, every digest is
//! checked while it streams, and every refusal carries a stable code (`tar.truncated`, `manifest.invalid`).
//!
//! An image comes in through one of two doors, [`registry`] and [`archive`]; both hand out the same
//! [`source::Image`], whose layers [`layer`] reads.

pub mod archive;
pub mod digest;
pub mod layer;
pub mod limits;
pub mod manifest;
pub mod path;
pub mod reference;
pub mod registry;
pub mod source;
pub mod whiteout;
