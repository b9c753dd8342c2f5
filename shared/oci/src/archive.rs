//! Local inputs: an OCI layout as a directory or tar, and what `docker save` writes; tars also in gzip or zstd.
//!
//! Nothing is unpacked. A tar is indexed once and its files are read where they lie, so no path in it ever becomes
//! a path here. A compressed tar is first written plain into a bounded temporary file. What is named by digest is
//! held to it; where a tar can be read both as an OCI layout and as `docker save`'s older form, as recent Docker
//! versions write it, the layout counts, since there everything is.
//!
//! All of this blocks and belongs on a thread of its own.

mod docker;
mod error;
mod image;
mod layout;
mod plain;
mod shelf;
mod slice;
mod tar_index;

use std::fs;
use std::path::Path;

pub use error::ArchiveError;
pub use image::ArchiveLayers;
use shelf::Shelf;
use tar_index::TarIndex;

use crate::digest::Digest;
use crate::manifest::{Platform, Platforms};
use crate::source::Image;

/// Bounds on what an archive may cost.
#[derive(Debug, Clone)]
pub struct Caps {
    /// Bytes a compressed tar may unpack to.
    pub plain_bytes: u64,
    /// Files, directories and links in a tar.
    pub entries: usize,
}

impl Default for Caps {
    fn default() -> Self {
        Self { plain_bytes: 20 << 30, entries: 20_000 }
    }
}

/// An image an archive offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Names it goes by; may be empty.
    pub names: Vec<String>,
    /// Its manifest or index; for `docker save`'s older form its config, which is what Docker calls the image id.
    pub digest: Digest,
    /// What it runs on, where the archive says so without a look into the image.
    pub platform: Option<Platform>,
}

/// An opened archive.
#[derive(Debug)]
pub struct Archive {
    shelf: Shelf,
    form: Form,
}

#[derive(Debug)]
enum Form {
    Layout(layout::Layout),
    Docker(docker::Saved),
}

impl Archive {
    /// Opens a directory or a tar. `scratch` takes the temporary file of a compressed tar, which is gone with the
    /// archive.
    ///
    /// # Errors
    /// Every [`ArchiveError`].
    pub fn open(path: &Path, scratch: &Path, caps: &Caps) -> Result<Self, ArchiveError> {
        let metadata = fs::metadata(path).map_err(|e| ArchiveError::io("the archive cannot be opened", e))?;
        let shelf = if metadata.is_dir() {
            Shelf::directory(path)?
        } else if metadata.is_file() {
            let file =
                fs::File::open(path).map_err(|e| ArchiveError::io("the archive cannot be opened", e))?;
            Shelf::Tar(TarIndex::read(plain::plain(file, scratch, caps)?, caps)?)
        } else {
            return Err(ArchiveError::Invalid("it is neither a file nor a directory".into()));
        };
        let form = if shelf.has(layout::MARKER)? {
            Form::Layout(layout::Layout::read(&shelf)?)
        } else if shelf.has(docker::MANIFEST)? {
            Form::Docker(docker::Saved::read(&shelf)?)
        } else if shelf.has("repositories")? {
            let why = "it was written by a Docker older than 1.10; save the image again with a current one";
            return Err(ArchiveError::Unsupported(why.into()));
        } else {
            let why = "it has neither oci-layout, as an OCI layout, nor manifest.json, as the output of docker save";
            return Err(ArchiveError::Invalid(why.into()));
        };
        Ok(Self { shelf, form })
    }

    /// What the archive offers.
    pub fn images(&self) -> Vec<Listed> {
        match &self.form {
            Form::Layout(layout) => layout.images(),
            Form::Docker(saved) => saved.images(),
        }
    }

    /// The images for several platforms, in the order they are asked for, or for all in that of the archive. One that
    /// serves two platforms is there once.
    ///
    /// # Errors
    /// As [`Archive::select`].
    pub fn choose(&self, platforms: &Platforms, name: Option<&str>) -> Result<Vec<Image>, ArchiveError> {
        let platforms = match (platforms, &self.form) {
            (Platforms::These(platforms), _) => platforms.clone(),
            (Platforms::All, Form::Layout(layout)) => return layout.all(&self.shelf, name),
            (Platforms::All, Form::Docker(saved)) => saved.platforms(),
        };
        // Where nothing says what it runs on, any platform finds it.
        let platforms = if platforms.is_empty() { vec![Platform::host()] } else { platforms };
        let mut found: Vec<Image> = Vec::new();
        for platform in &platforms {
            let image = self.select(platform, name)?;
            if !found.iter().any(|known| known.source_digest == image.source_digest) {
                found.push(image);
            }
        }
        Ok(found)
    }

    /// The image for a platform, and of a name where the archive has several.
    ///
    /// # Errors
    /// Every [`ArchiveError`]; `archive.ambiguous` when several images fit, `archive.not_found` when none has the
    /// name.
    pub fn select(&self, platform: &Platform, name: Option<&str>) -> Result<Image, ArchiveError> {
        match &self.form {
            Form::Layout(layout) => layout.select(&self.shelf, platform, name),
            Form::Docker(saved) => saved.select(&self.shelf, platform, name),
        }
    }
}

/// Whether a name in an archive is the one asked for, also where one of the two is the short form.
fn same_name(found: &str, wanted: &str) -> bool {
    let reference = |text: &str| text.parse::<crate::reference::Reference>().ok();
    found == wanted || reference(found).is_some_and(|found| Some(found) == reference(wanted))
}

#[cfg(test)]
mod tests;
