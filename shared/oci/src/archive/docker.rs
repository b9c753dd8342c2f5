//! What `docker save` writes (moby image specification 1.2): `manifest.json` names a config and uncompressed layers.

use serde::Deserialize;

use super::layout::Found;
use super::{Archive, ArchiveError};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Image {
    config: String,
    layers: Vec<String>,
}

pub(super) fn find(archive: &Archive) -> Result<Found, ArchiveError> {
    let bytes = archive.document(b"manifest.json")?;
    let images: Vec<Image> = serde_json::from_slice(&bytes)
        .map_err(|e| ArchiveError::Invalid(format!("its `manifest.json` is not the JSON it must be: {e}")))?;
    let [image] = images.as_slice() else {
        return Err(if images.is_empty() {
            ArchiveError::Invalid("it holds no image".to_owned())
        } else {
            ArchiveError::Ambiguous(images.len())
        });
    };
    let config = archive.document(image.config.as_bytes())?;
    let layers = image.layers.iter().map(|name| Ok((None, archive.part(name.as_bytes())?)));
    Ok((config, layers.collect::<Result<_, ArchiveError>>()?))
}
