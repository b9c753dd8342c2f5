//! Manifests, indexes and configs: what a registry or an archive says an image consists of.
//!
//! All three are JSON written by strangers. They are bounded to [`MAX_DOCUMENT`], refused when two readers could
//! take them for two different things (doubled keys, `layers` beside `manifests`, a media type that contradicts
//! itself; CVE-2021-41190), and kept as the bytes they came in, since their digest names them.

mod config;
mod descriptor;
mod document;
mod error;
pub mod media_type;
mod platform;
mod platforms;
mod strict;
mod walk;

pub use config::ImageConfig;
pub use descriptor::Descriptor;
pub use document::{Document, ImageIndex, ImageManifest};
pub use error::ManifestError;
pub use platform::{Platform, PlatformError};
pub use platforms::Platforms;
pub(crate) use strict::check as check_json;
pub(crate) use walk::{Step, Walk};

/// The largest manifest, index or config that is read, in bytes.
pub const MAX_DOCUMENT: u64 = 4 << 20;
/// The most layers an image may have.
pub const MAX_LAYERS: usize = 256;
/// The most entries an index may have.
pub const MAX_INDEX_ENTRIES: usize = 1_000;
/// The most entries of an index that are fetched to find a platform.
pub const MAX_INDEX_READS: usize = 256;
/// How many indexes may lie between the reference and the manifest.
pub const MAX_INDEX_DEPTH: usize = 2;
