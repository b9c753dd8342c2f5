//! What an honest registry would answer: documents and blobs by name and digest.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::{Answer, Seen};
use crate::image::{Image, digest};

/// Contents of a registry, in whatever repository they are asked for.
#[derive(Debug, Clone, Default)]
pub struct Shelf {
    tags: HashMap<String, String>,
    /// By digest: media type where it is a document, and bytes.
    contents: HashMap<String, (Option<String>, Vec<u8>)>,
}

impl Shelf {
    /// Nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// An image under a tag.
    #[must_use]
    pub fn image(self, tag: &str, image: &Image) -> Self {
        self.layout(tag, &image.layout())
    }

    /// What an OCI layout's only entry is, under a tag.
    #[must_use]
    pub fn layout(mut self, tag: &str, files: &BTreeMap<String, Vec<u8>>) -> Self {
        for (name, bytes) in files {
            if let Some(name) = name.strip_prefix("blobs/") {
                let kind = serde_json::from_slice::<Value>(bytes).ok();
                let kind = kind.and_then(|v| Some(v.get("mediaType")?.as_str()?.to_owned()));
                self.contents.insert(name.replace('/', ":"), (kind, bytes.clone()));
            }
        }
        let index: Value = serde_json::from_slice(&files["index.json"]).expect("a layout's index");
        let pinned = index["manifests"][0]["digest"].as_str().expect("a digest").to_owned();
        self.tags.insert(tag.to_owned(), pinned);
        self
    }

    /// A document under a tag, whatever its bytes are; its digest.
    pub fn document(&mut self, tag: &str, kind: &str, bytes: impl Into<Vec<u8>>) -> String {
        let bytes = bytes.into();
        let name = digest(&bytes);
        self.tags.insert(tag.to_owned(), name.clone());
        self.contents.insert(name.clone(), (Some(kind.to_owned()), bytes));
        name
    }

    /// A blob under its digest; that digest.
    pub fn blob(&mut self, bytes: impl Into<Vec<u8>>) -> String {
        let bytes = bytes.into();
        let name = digest(&bytes);
        self.contents.insert(name.clone(), (None, bytes));
        name
    }

    /// Bytes under any name, right or wrong.
    pub fn put(&mut self, name: &str, kind: Option<&str>, bytes: impl Into<Vec<u8>>) {
        self.contents.insert(name.to_owned(), (kind.map(str::to_owned), bytes.into()));
    }

    /// The manifest or index a tag leads to.
    pub fn manifest(&self, tag: &str) -> Value {
        serde_json::from_slice(self.bytes(&self.tags[tag])).expect("JSON")
    }

    /// The digest a tag leads to.
    pub fn pinned(&self, tag: &str) -> &str {
        &self.tags[tag]
    }

    /// The bytes under a digest.
    pub fn bytes(&self, digest: &str) -> &[u8] {
        &self.contents[digest].1
    }

    /// What an honest registry answers.
    pub fn answer(&self, seen: &Seen) -> Answer {
        let path = seen.path.split('?').next().unwrap_or_default();
        if path == "/v2/" {
            return Answer::new(200, "{}");
        }
        let wanted = path.rsplit('/').next().unwrap_or_default();
        let name = self.tags.get(wanted).map_or(wanted, String::as_str);
        match (self.contents.get(name), path.contains("/manifests/")) {
            (Some((kind, bytes)), true) => Answer::new(200, bytes.clone())
                .header("content-type", kind.as_deref().unwrap_or("application/json"))
                .header("docker-content-digest", name),
            (Some((_, bytes)), false) => match seen.from().filter(|from| *from < bytes.len()) {
                Some(from) => Answer::new(206, &bytes[from..])
                    .header("content-range", &format!("bytes {from}-{}/{}", bytes.len() - 1, bytes.len())),
                None => Answer::new(200, bytes.clone()),
            },
            (None, true) => Answer::new(404, r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"no"}]}"#),
            (None, false) => Answer::new(404, r#"{"errors":[{"code":"BLOB_UNKNOWN","message":"no"}]}"#),
        }
    }
}
