//! For tests only: an image builder language, real servers on free ports, and trees to compare.
//!
//! Nothing here is a stand-in for a server that can be started for real, but for [`standin`]: it tells the lies that no
//! real registry tells. Whatever is started is ended when it is
//! dropped, by the id it was started with.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a test that cannot go on must stop"
)]

pub mod buildkit;
pub mod factory;
pub mod flat;
pub mod git;
pub mod image;
pub mod proxy;
pub mod raw;
pub mod registry;
pub mod stack;
pub mod standin;
pub mod tools;
pub mod tree;

pub use buildkit::BuildKit;
pub use factory::Factory;
pub use image::Image;
pub use registry::Registry;
pub use standin::{Answer, Shelf, Standin, Trap};
