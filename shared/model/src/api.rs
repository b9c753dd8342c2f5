//! Bodies of the HTTP API: `{data}` when it worked, `{error, data: null}` when it did not.

use serde::{Deserialize, Serialize};

mod build;
mod error;
mod image;
mod integration;
mod prune;
mod source;

pub use build::{BuildInfo, BuildOptions, BuilderChoice, CreateBuild};
pub use error::{ApiError, ErrorBody};
pub use image::{
    CreateImage, Event as LedgerEvent, Events, FlatInfo, Image, ImageState, Override, SourceRef, StateError,
    Task, TaskAction, UpdateImage, UploadTicket,
};
pub use integration::{
    BuildKit, Buildah, CreateIntegration, Depot, ImageBuilder, Integration, IntegrationTask, Verified,
};
pub use prune::{Job, Prune, PruneContents, PruneReport, PrunedImage, SourceStorage, Storage};
pub use source::{CreateSource, Source, UpdateSource};

/// A successful answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Data<T> {
    /// What was asked for.
    pub data: T,
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct List<T> {
    /// The items, newest first unless asked otherwise.
    pub data: Vec<T>,
    /// How many there are in all.
    pub total: i64,
}

/// The whole build log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildLog {
    /// All lines, each ended by a newline.
    pub log: String,
    /// The offset after the last line.
    pub next: i64,
    /// Will no more lines come?
    pub closed: bool,
    /// `live` or the failure's code, once closed.
    pub outcome: Option<String>,
}
