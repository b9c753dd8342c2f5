//! OCI image layouts.

use super::part::Part;
use super::{Archive, ArchiveError, blob_name};
use crate::digest::Digest;
use crate::manifest::{Descriptor, Document, Index, Manifest, ManifestError, Platform};

/// Config and layers of an image.
pub(super) type Found = (Vec<u8>, Vec<(Option<Digest>, Part)>);

/// Indexes are followed at most twice.
const NESTED: usize = 2;

pub(super) fn find(archive: &Archive, wanted: &Platform) -> Result<Found, ArchiveError> {
    let Document::Index(mut index) = Document::parse(&archive.document(b"index.json")?, None)? else {
        return Err(ArchiveError::Invalid("its `index.json` is no index".to_owned()));
    };
    for _ in 0..=NESTED {
        let entry = choose(&index, wanted)?;
        match Document::parse(&archive.blob(&entry.digest)?, Some(&entry.media_type))? {
            Document::Manifest(manifest) => return parts(archive, &manifest),
            Document::Index(inner) => index = inner,
        }
    }
    Err(ArchiveError::Invalid("its indexes are nested too deep".to_owned()))
}

/// The one entry there is, or the one for the platform.
fn choose<'a>(index: &'a Index, wanted: &Platform) -> Result<&'a Descriptor, ArchiveError> {
    if let [only] = index.manifests.as_slice() {
        return Ok(only);
    }
    match index.select(wanted) {
        Ok(entry) => Ok(entry),
        // Several images without a platform: nobody can tell which is meant.
        Err(ManifestError::NoPlatform { there, .. }) if there.is_empty() => {
            Err(ArchiveError::Ambiguous(index.manifests.len()))
        }
        Err(error) => Err(error.into()),
    }
}

fn parts(archive: &Archive, manifest: &Manifest) -> Result<Found, ArchiveError> {
    let config = archive.blob(&manifest.config.digest)?;
    let mut layers = Vec::new();
    for layer in &manifest.layers {
        let part = archive.part(blob_name(&layer.digest).as_bytes())?;
        if part.size != layer.size {
            let said =
                format!("layer {} has {} bytes, its descriptor says {}", layer.digest, part.size, layer.size);
            return Err(ManifestError::Size(said).into());
        }
        layers.push((Some(layer.digest.clone()), part));
    }
    Ok((config, layers))
}
