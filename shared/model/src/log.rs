//! Build log lines on the wire and as readers get them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::ImageId;

/// At most this many lines in one message.
pub const BATCH_LINES: usize = 1024;

/// At most this many bytes of text in one message, beyond its first line: even with every byte escaped it stays below the
/// 1 MiB that NATS takes when nobody says otherwise.
pub const BATCH_BYTES: usize = 90 * 1024;

/// A line longer than this many bytes is split.
pub const LINE_BYTES: usize = 64 * 1024;

/// Where a line comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// Standard output of a build step.
    Stdout,
    /// Standard error of a build step.
    Stderr,
    /// Platen itself.
    Platen,
}

/// The stage that speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Pins the target.
    Resolver,
    /// Fetches, flattens, stores.
    Factory,
    /// Verifies and makes live.
    Distributor,
}

impl Stage {
    /// The name in rows and subjects.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Resolver => "resolver",
            Self::Factory => "factory",
            Self::Distributor => "distributor",
        }
    }
}

/// One line as a stage says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// When it was said.
    pub time: DateTime<Utc>,
    /// Where it comes from.
    pub stream: Stream,
    /// The text, without its newline. ANSI sequences are kept.
    pub line: String,
}

/// What travels on `log.image.<image-id>`: up to [`BATCH_LINES`] lines.
///
/// `seq` of the first line is given; lines count up from there without a gap within one attempt and stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// The image.
    pub image: ImageId,
    /// The attempt: grows with every claim of the image by any stage.
    pub attempt: i64,
    /// The stage that speaks.
    pub stage: Stage,
    /// Number of the first line, from 1.
    pub seq: i64,
    /// The lines.
    pub lines: Vec<Line>,
}

/// A kept line as readers get it, with its place in the image's whole log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Place in the log, from 0, without gaps.
    pub offset: i64,
    /// The attempt it belongs to.
    pub attempt: i64,
    /// The stage that spoke.
    pub stage: Stage,
    /// The line.
    #[serde(flatten)]
    pub line: Line,
}

/// How far a layer has come; sent on `progress.image.<image-id>`, never kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The layer's place, from 0.
    pub layer: usize,
    /// How many layers there are.
    pub layers: usize,
    /// Its digest.
    pub digest: String,
    /// Compressed bytes read so far.
    pub done: u64,
    /// Compressed bytes in all, 0 when not known.
    pub total: u64,
}
