//! Events: what happened, told to whoever listens. One event, one module.
//!
//! On the wire each is a CloudEvents 1.0 JSON document (structured mode). The `data` of each is a type of its own
//! here; `type` names subject and version (`dev.platen.image.created.v1`).

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::HubId;

pub mod image_created;
pub mod image_flattened;
pub mod image_import_failed;
pub mod image_import_requested;
pub mod image_live;
pub mod image_prune_requested;
pub mod image_pruned;
pub mod image_state_changed;

pub use image_created::ImageCreated;
pub use image_flattened::ImageFlattened;
pub use image_import_failed::ImageImportFailed;
pub use image_import_requested::ImageImportRequested;
pub use image_live::ImageLive;
pub use image_prune_requested::ImagePruneRequested;
pub use image_pruned::ImagePruned;
pub use image_state_changed::ImageStateChanged;

/// The content type of an envelope (CloudEvents 1.0, JSON event format).
pub const CONTENT_TYPE: &str = "application/cloudevents+json";

/// A payload that has a subject.
pub trait Event: Serialize + DeserializeOwned {
    /// The NATS subject it is published on.
    const SUBJECT: &'static str;
    /// Its version; a new meaning gets a new one.
    const VERSION: u32 = 1;

    /// The CloudEvents `type`.
    fn kind() -> String {
        format!("dev.platen.{}.v{}", Self::SUBJECT, Self::VERSION)
    }
}

/// A CloudEvents 1.0 envelope.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Envelope {
    /// Always `1.0`.
    pub specversion: String,
    /// The outbox id (UUIDv7), or the outside publisher's own id.
    pub id: String,
    /// Who says it: `platen/<service>`, or the outside publisher's own.
    pub source: String,
    /// `dev.platen.<subject>.v1`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The image it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<DateTime<Utc>>,
    /// `application/json`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub datacontenttype: Option<String>,
    /// W3C trace context of the work that caused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// The hub.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hub: Option<String>,
    /// The payload.
    pub data: Value,
}

impl Envelope {
    /// Wraps a payload.
    ///
    /// # Errors
    /// When the payload cannot be written as JSON.
    pub fn wrap<E: Event>(
        hub: &HubId,
        subject: Option<&str>,
        from: &str,
        event: &E,
    ) -> serde_json::Result<Self> {
        Ok(Self {
            specversion: "1.0".to_owned(),
            id: Uuid::now_v7().to_string(),
            source: format!("platen/{from}"),
            kind: E::kind(),
            subject: subject.map(str::to_owned),
            time: Some(Utc::now()),
            datacontenttype: Some("application/json".to_owned()),
            traceparent: None,
            hub: Some(hub.to_string()),
            data: serde_json::to_value(event)?,
        })
    }

    /// Reads what came on a subject: an envelope, or from outside a bare JSON payload, which has no id.
    ///
    /// # Errors
    /// One sentence for the dead letter.
    pub fn read<E: Event>(bytes: &[u8]) -> Result<(Option<Self>, E), String> {
        let value: Value =
            serde_json::from_slice(bytes).map_err(|e| format!("the message is not JSON: {e}"))?;
        let Value::Object(object) = &value else { return Err("the message is not a JSON object".to_owned()) };
        if !object.contains_key("specversion") {
            return Ok((None, payload(value)?));
        }
        let envelope: Self = serde_json::from_value(value)
            .map_err(|e| format!("the message is not a CloudEvents envelope: {e}"))?;
        if envelope.specversion != "1.0" {
            return Err(format!("CloudEvents version `{}` is not known; 1.0 is", envelope.specversion));
        }
        if envelope.kind != E::kind() {
            return Err(format!(
                "type `{}` is not what this subject carries, `{}`",
                envelope.kind,
                E::kind()
            ));
        }
        let data = payload(envelope.data.clone())?;
        Ok((Some(envelope), data))
    }
}

fn payload<E: Event>(value: Value) -> Result<E, String> {
    serde_json::from_value(value).map_err(|e| format!("the payload is not a `{}`: {e}", E::SUBJECT))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ImageId, SourceId};

    #[test]
    fn an_envelope_survives_the_wire() {
        let event =
            ImageCreated { image: ImageId::new(), source: SourceId::new(), name: "web".into(), import: true };
        let hub = HubId::new();
        let sent = Envelope::wrap(&hub, Some(event.image.as_str()), "api", &event).unwrap();
        assert_eq!(sent.kind, "dev.platen.image.created.v1");
        let (read, data) = Envelope::read::<ImageCreated>(&serde_json::to_vec(&sent).unwrap()).unwrap();
        assert_eq!((read.as_ref(), data), (Some(&sent), event));
    }

    #[test]
    fn a_bare_payload_is_read_too() {
        let bytes = br#"{"hub":"demo","source":"web","override":{"target":"nginx:1.29"}}"#;
        let (envelope, data) = Envelope::read::<ImageImportRequested>(bytes).unwrap();
        assert!(envelope.is_none());
        assert_eq!(data.source.as_deref(), Some("web"));
    }

    #[test]
    fn what_cannot_be_understood_says_why() {
        for (bytes, why) in [
            (&b"{"[..], "not JSON"),
            (b"[1]", "not a JSON object"),
            (br#"{"source":5}"#, "not a `image.import.requested`"),
            (br#"{"specversion":"1.0"}"#, "not a CloudEvents envelope"),
            (br#"{"specversion":"0.3","id":"1","source":"x","type":"y","data":{}}"#, "version `0.3`"),
            (br#"{"specversion":"1.0","id":"1","source":"x","type":"y","data":{}}"#, "type `y`"),
        ] {
            let error = Envelope::read::<ImageImportRequested>(bytes).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }
}
