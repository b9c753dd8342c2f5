//! Images in archives: an OCI image layout (OCI image specification, "Image Layout") or what `docker save` writes, as a
//! tar, also gzip or zstd compressed.
//!
//! A compressed archive is unpacked once into an unnamed temporary file, since its parts are read in any order. Names
//! inside it are only ever looked up among its own entries: nothing in it can name a file of this machine.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::Path;
use std::sync::Arc;

mod docker;
mod error;
mod layout;
mod part;

pub use error::ArchiveError;
use part::{Part, Verified};

use crate::digest::Digest;
use crate::limits::Limits;
use crate::manifest::{ImageConfig, MOST_BYTES, Platform};
use crate::path::normal;

/// An archive of images has at most this many entries.
const MOST_ENTRIES: usize = 100_000;

/// An archive that was opened.
#[derive(Debug)]
pub struct Archive {
    file: Arc<File>,
    parts: HashMap<Vec<u8>, Part>,
    links: HashMap<Vec<u8>, Vec<u8>>,
}

/// One image of an archive.
#[derive(Debug)]
pub struct ArchiveImage {
    /// The config's bytes.
    pub config: Vec<u8>,
    /// What it runs on.
    pub platform: Platform,
    /// Its layers, lowest first.
    pub layers: Vec<ArchiveLayer>,
}

/// A layer of an image in an archive.
#[derive(Debug, Clone)]
pub struct ArchiveLayer {
    /// Digest of its bytes as they stand in the archive, when the archive tells.
    pub digest: Option<Digest>,
    /// Digest of its uncompressed bytes, as the config tells.
    pub diff_id: Digest,
    /// Bytes as they stand in the archive.
    pub size: u64,
    part: Part,
}

impl Archive {
    /// Opens an archive. What must be unpacked goes into an unnamed file in `scratch`.
    ///
    /// # Errors
    /// When it is none, is damaged, or breaks a limit.
    pub fn open(path: &Path, scratch: &Path, limits: &Limits) -> Result<Self, ArchiveError> {
        let file = unpacked(File::open(path).map_err(ArchiveError::Disk)?, scratch, limits)?;
        let length = file.metadata().map_err(ArchiveError::Disk)?.len();
        let (mut parts, mut links) = (HashMap::new(), HashMap::new());
        let mut tar = tar::Archive::new(&file);
        // What the library says holds bytes of the archive: not for a terminal.
        let broken = |_: io::Error| ArchiveError::Invalid("it is not a whole tar archive".to_owned());
        for entry in tar.entries_with_seek().map_err(broken)? {
            let entry = entry.map_err(broken)?;
            let name = normal(&entry.path_bytes(), limits).map_err(|e| ArchiveError::Path(e.to_string()))?;
            let kind = entry.header().entry_type();
            if kind.is_symlink() {
                let target = entry.link_name_bytes().unwrap_or_default().to_vec();
                links.insert(name, target);
            } else if kind.is_file() {
                let part = Part { at: entry.raw_file_position(), size: entry.size() };
                if part.at.checked_add(part.size).is_none_or(|end| end > length) {
                    return Err(ArchiveError::Invalid("it is cut off".to_owned()));
                }
                parts.insert(name, part);
            }
            if parts.len() + links.len() > MOST_ENTRIES {
                return Err(ArchiveError::Invalid(format!("it has more than {MOST_ENTRIES} entries")));
            }
        }
        Ok(Self { file: Arc::new(file), parts, links })
    }

    /// The image for a platform. An archive with just one image has that one, whatever it runs on.
    ///
    /// # Errors
    /// When there is none, or more than one could be meant.
    pub fn image(&self, wanted: &Platform) -> Result<ArchiveImage, ArchiveError> {
        // `docker save` writes both since version 25; the layout has the digests.
        let (config, layers) = if self.parts.contains_key(&b"index.json"[..]) {
            layout::find(self, wanted)?
        } else if self.parts.contains_key(&b"manifest.json"[..]) {
            docker::find(self)?
        } else {
            let said = "it has neither `index.json` of an OCI layout nor `manifest.json` of docker save";
            return Err(ArchiveError::Invalid(said.to_owned()));
        };
        let read = ImageConfig::parse(&config, layers.len())?;
        let layers = layers.into_iter().zip(read.diff_ids);
        let layers =
            layers.map(|((digest, part), diff_id)| ArchiveLayer { digest, diff_id, size: part.size, part });
        Ok(ArchiveImage { config, platform: read.platform, layers: layers.collect() })
    }

    /// The bytes of a layer, checked against its digest at their end.
    pub fn reader(&self, layer: &ArchiveLayer) -> Box<dyn Read + Send> {
        let reader = layer.part.reader(&self.file);
        match &layer.digest {
            Some(digest) => Box::new(Verified::new(reader, digest)),
            None => Box::new(reader),
        }
    }

    /// The part of this name; symbolic links (which old docker writes for equal layers) are followed inside.
    fn part(&self, name: &[u8]) -> Result<Part, ArchiveError> {
        let mut name = normal(name, &Limits::default()).map_err(|e| ArchiveError::Path(e.to_string()))?;
        for _ in 0..8 {
            if let Some(part) = self.parts.get(&name) {
                return Ok(*part);
            }
            let Some(target) = self.links.get(&name) else { break };
            let dir = name.iter().rposition(|b| *b == b'/').and_then(|at| name.get(..at)).unwrap_or_default();
            let target = [dir, b"/", target.as_slice()].concat();
            name = normal(&target, &Limits::default()).map_err(|e| ArchiveError::Path(e.to_string()))?;
        }
        Err(ArchiveError::Missing(crate::path::show(&name)))
    }

    /// A small part, whole.
    fn document(&self, name: &[u8]) -> Result<Vec<u8>, ArchiveError> {
        let part = self.part(name)?;
        if part.size > MOST_BYTES {
            return Err(ArchiveError::TooLarge { what: crate::path::show(name), most: MOST_BYTES });
        }
        let mut bytes = Vec::new();
        part.reader(&self.file).read_to_end(&mut bytes).map_err(ArchiveError::Disk)?;
        Ok(bytes)
    }

    /// A small blob of a layout, which must be what its digest says.
    fn blob(&self, digest: &Digest) -> Result<Vec<u8>, ArchiveError> {
        let bytes = self.document(blob_name(digest).as_bytes())?;
        if digest.matches(&bytes) {
            Ok(bytes)
        } else {
            Err(ArchiveError::Mismatch { expected: digest.to_string(), got: Digest::of(&bytes).to_string() })
        }
    }
}

fn blob_name(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm(), digest.hex())
}

/// The archive as it is, or unpacked if it is compressed.
fn unpacked(mut file: File, scratch: &Path, limits: &Limits) -> Result<File, ArchiveError> {
    let mut head = [0; 4];
    let read = file.read(&mut head).map_err(ArchiveError::Disk)?;
    file.rewind().map_err(ArchiveError::Disk)?;
    let mut source: Box<dyn Read> = match head.get(..read).unwrap_or_default() {
        [0x1f, 0x8b, ..] => Box::new(flate2::read::MultiGzDecoder::new(io::BufReader::new(file))),
        [0x28, 0xb5, 0x2f, 0xfd] => {
            let mut decoder = zstd::Decoder::new(file).map_err(ArchiveError::Disk)?;
            decoder.window_log_max(limits.zstd_window).map_err(ArchiveError::Disk)?;
            Box::new(decoder)
        }
        _ => return Ok(file),
    };
    let mut out = tempfile::tempfile_in(scratch).map_err(ArchiveError::Disk)?;
    let (mut piece, mut size) = (vec![0; 256 << 10], 0);
    loop {
        let read = source
            .read(&mut piece)
            .map_err(|e| ArchiveError::Invalid(format!("its compression is damaged ({e})")))?;
        let Some(fresh) = piece.get(..read).filter(|fresh| !fresh.is_empty()) else { break };
        size += read as u64;
        if size > limits.bytes {
            return Err(ArchiveError::TooLarge { what: "it".to_owned(), most: limits.bytes });
        }
        out.write_all(fresh).map_err(ArchiveError::Disk)?;
    }
    out.rewind().map_err(ArchiveError::Disk)?;
    Ok(out)
}
