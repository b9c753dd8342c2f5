//! A row of an image, and what the API makes of it.

use super::*;

pub(super) struct ImageRow {
    pub id: String,
    pub hub_id: String,
    pub name: String,
    pub size: Option<i64>,
    pub source_id: String,
    pub source_identifier: String,
    pub source_kind: String,
    pub overrides: Option<Json<Override>>,
    pub build: Option<Json<api::BuildOptions>>,
    pub secrets: Json<Sealed>,
    pub config: Option<Value>,
    pub state: String,
    pub state_since: DateTime<Utc>,
    pub requested_at: Option<DateTime<Utc>>,
    pub last_requested_at: Option<DateTime<Utc>>,
    pub retry_at: Option<DateTime<Utc>>,
    pub error: Option<Json<api::StateError>>,
    pub manifest_digest: Option<String>,
    pub diff_id: Option<String>,
    pub platform: Option<String>,
    pub platforms: Vec<String>,
    pub pin: Option<Value>,
    pub flat: Option<Json<FlatFigures>>,
    pub verified: Option<String>,
    pub warnings: Json<Vec<String>>,
    pub tries: i32,
    pub last_used: Option<DateTime<Utc>>,
    pub creator: Value,
    pub created_at: DateTime<Utc>,
    pub live_at: Option<DateTime<Utc>>,
    pub deleted_at: Option<DateTime<Utc>>,
}

impl From<ImageRow> for Image {
    fn from(row: ImageRow) -> Self {
        let pin = row.pin.and_then(|pin| serde_json::from_value::<model::pin::Pin>(pin).ok());
        Self {
            id: ImageId::stored(row.id),
            hub_id: HubId::stored(row.hub_id),
            name: row.name,
            size: row.size.map(bytes),
            source: api::SourceRef {
                id: SourceId::stored(row.source_id),
                identifier: row.source_identifier,
                kind: row.source_kind,
            },
            overrides: row.overrides.map(|o| o.0),
            config: row.config,
            build: row.build.map(|build| api::BuildInfo {
                options: build.0,
                secrets: row.secrets.0.into_keys().collect(),
                commit: pin.as_ref().and_then(|pin| pin.commit()).map(str::to_owned),
            }),
            state: api::ImageState {
                // The column's check constraint knows the same names.
                current: row.state.parse().unwrap_or(State::New),
                changed: row.state_since,
                importing: row.requested_at.is_some(),
                queue: None,
                retry_at: row.retry_at.filter(|_| row.requested_at.is_some()),
                error: row.error.map(|e| e.0),
            },
            digest: row.manifest_digest,
            diff_id: row.diff_id,
            // Rows written before several were possible have one.
            platforms: if row.platforms.is_empty() {
                row.platform.into_iter().collect()
            } else {
                row.platforms
            },
            source_digest: pin.and_then(|pin| match &row.flat {
                Some(flat) if pin.is_build() => {
                    flat.platforms.first().map(|first| first.source_digest.clone())
                }
                _ => pin.digest().map(str::to_owned),
            }),
            flat: row.flat.map(|f| api::FlatInfo { figures: f.0, verified: row.verified }),
            warnings: row.warnings.0,
            attempts: row.tries,
            last_used: row.last_used,
            creator: row.creator,
            events: api::Events {
                created: row.created_at,
                requested: row.last_requested_at,
                live: row.live_at,
                deleted: row.deleted_at,
            },
            upload: None,
        }
    }
}
