//! Images in the API.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::build::{BuildInfo, BuilderChoice, CreateBuild};
use crate::{HubId, ImageId, Secret, SourceId, State};

/// An image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Image {
    /// Its id; also a tag to pull it by.
    pub id: ImageId,
    /// Its hub.
    pub hub_id: HubId,
    /// Its name; names may repeat.
    pub name: String,
    /// Bytes of the flat layer; null until stored.
    pub size: Option<u64>,
    /// Where it came from.
    pub source: SourceRef,
    /// What it takes instead of the source's own.
    #[serde(rename = "override")]
    pub overrides: Option<Override>,
    /// The OCI image config as served; null until stored.
    pub config: Option<Value>,
    /// How it is built, where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<BuildInfo>,
    /// Where it is on its way.
    pub state: ImageState,
    /// Digest of its manifest.
    pub digest: Option<String>,
    /// Digest of the flat layer's uncompressed tar.
    pub diff_id: Option<String>,
    /// Platforms it has.
    pub platforms: Vec<String>,
    /// Digest of what was imported.
    pub source_digest: Option<String>,
    /// Figures of the flattening.
    pub flat: Option<FlatInfo>,
    /// What was odd about the source and kept going.
    pub warnings: Vec<String>,
    /// How often a factory has tried.
    pub attempts: i32,
    /// When it was last pulled.
    pub last_used: Option<DateTime<Utc>>,
    /// Who made it.
    pub creator: Value,
    /// When what happened.
    pub events: Events,
    /// How to upload the archive; only in the answer that created the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upload: Option<UploadTicket>,
}

/// The source of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceRef {
    /// Its id.
    pub id: SourceId,
    /// Its identifier: the middle part of the reference to pull by.
    pub identifier: String,
    /// Its kind.
    #[serde(rename = "type")]
    pub kind: String,
}

/// Where an image is on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageState {
    /// The state.
    pub current: State,
    /// Since when.
    pub changed: DateTime<Utc>,
    /// Is an import asked for and not over?
    pub importing: bool,
    /// How many imports of the hub that build go before this one, while it waits for a place to be built in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<u64>,
    /// When the next attempt begins, after one that failed for a passing reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<DateTime<Utc>>,
    /// Why the last import failed.
    #[serde(default)]
    pub error: Option<StateError>,
}

/// Why an import failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateError {
    /// A stable code.
    pub code: String,
    /// One sentence.
    pub message: String,
    /// When.
    pub time: DateTime<Utc>,
}

/// Figures of a flattening as the API shows them. Sizes are bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlatInfo {
    /// The recorded figures.
    #[serde(flatten)]
    pub figures: crate::image::FlatFigures,
    /// The certificate computed again from the stored bytes; equal to `certificate`, or the image is not live.
    pub verified: Option<String>,
}

/// When what happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Events {
    /// The shell was made.
    pub created: DateTime<Utc>,
    /// An import was last asked for.
    pub requested: Option<DateTime<Utc>>,
    /// It went live.
    pub live: Option<DateTime<Utc>>,
    /// It was let go.
    pub deleted: Option<DateTime<Utc>>,
}

/// What an image takes instead of its source's own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Override {
    /// Another repository, tag or digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The address of an archive that is built instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub targz_url: Option<String>,
    /// Another compression or platform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flat: Option<crate::source::FlatOptions>,
}

/// `POST /v1/images`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateImage {
    /// The source, by id or identifier.
    pub source_id: String,
    /// A name; the source's when absent.
    #[serde(default)]
    pub name: Option<String>,
    /// What it takes instead of the source's own.
    #[serde(default, rename = "override")]
    pub overrides: Option<Override>,
    /// How it is built.
    #[serde(default)]
    pub build: Option<CreateBuild>,
    /// The builder; the source's when absent.
    #[serde(default)]
    pub builder: Option<BuilderChoice>,
    /// Import at once.
    #[serde(default)]
    pub import: bool,
}

/// `PATCH /v1/images/{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdateImage {
    /// The new name.
    pub name: String,
}

/// `POST /v1/images/{id}/tasks`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// What to do.
    pub action: TaskAction,
}

/// What can be done to an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TaskAction {
    /// Import into the shell.
    Import,
    /// Import again after a failure, also before `retry_at`: the same as `import`.
    Retry,
    /// Stop the import.
    Cancel,
}

/// How to upload an archive into an image of a `cycle-upload` source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UploadTicket {
    /// Goes into the upload's query. Shown once.
    #[serde(serialize_with = "plain")]
    pub token: Secret,
    /// Until when it is good.
    pub expires: DateTime<Utc>,
}

// The ticket is the one answer that must carry its secret.
fn plain<S: serde::Serializer>(secret: &Secret, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(secret.expose())
}

/// One event of the ledger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Its place in the ledger: `after=` resumes behind it.
    pub cursor: i64,
    /// The CloudEvents envelope.
    pub event: crate::event::Envelope,
}
