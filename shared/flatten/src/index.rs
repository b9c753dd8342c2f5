//! A layer index: a layer's entries in order, with their metadata and the digests of their contents.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use oci::layer::{Kind, LayerError, LayerReader, Meta};
use oci::limits::Budget;

use crate::contents::{Contents, Spool};
use crate::source::Shared;

/// The content of a regular file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Content {
    /// BLAKE3 of its bytes.
    pub digest: [u8; 32],
    /// Bytes.
    pub size: u64,
    /// Where it begins in the layer's [`Contents`].
    pub at: u64,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A regular file.
    File(Content),
    /// Anything else. Never [`Kind::File`].
    Other(Kind),
}

/// An entry of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its normalised path; empty for the root.
    pub path: Box<[u8]>,
    /// What it is.
    pub what: What,
    /// What is kept about it. Shared: most entries of a layer look alike.
    pub meta: Arc<Meta>,
}

/// A layer that was read once, to its end.
#[derive(Debug, Clone)]
pub struct LayerIndex {
    /// SHA-256 of all uncompressed bytes, computed from those bytes.
    pub diff_id: [u8; 32],
    /// How many those are.
    pub plain: u64,
    /// Its entries, in order.
    pub items: Vec<Item>,
    /// What was odd, one sentence each.
    pub warnings: Vec<String>,
    /// The contents of its files.
    pub contents: Contents,
}

/// Reads a layer's compressed bytes to their end. Contents go into an unnamed file in `dir`.
///
/// # Errors
/// When the layer is refused or damaged, its bytes cannot be had, or `dir` cannot be written to (`factory.disk`). Of
/// bytes that are not those they should be, that is told, and not what is wrong in them.
pub fn read_layer<R: Read + Send + 'static>(
    input: R,
    dir: &Path,
    budget: &Budget,
) -> Result<LayerIndex, LayerError> {
    let input = Shared::new(input);
    read(input.clone(), dir, budget).map_err(|error| {
        let about_bytes = error.is_permanent() && error.code() != "factory.disk";
        let verdict = if about_bytes { input.verdict() } else { None };
        verdict.unwrap_or(error)
    })
}

fn read<R: Read + Send + 'static>(
    input: Shared<R>,
    dir: &Path,
    budget: &Budget,
) -> Result<LayerIndex, LayerError> {
    let disk = |e: std::io::Error| {
        LayerError::new("factory.disk", format!("The factory's disk cannot be written to: {e}."))
    };
    let mut reader = LayerReader::open(input, budget.clone())?;
    let mut spool = Spool::new(dir).map_err(disk)?;
    let mut items: Vec<Item> = Vec::new();
    let mut buffer = vec![0; 128 << 10];
    while let Some(entry) = reader.next_entry()? {
        let what = match entry.kind {
            Kind::File(size) => {
                let (at, mut hash) = (spool.at(), blake3::Hasher::new());
                loop {
                    let read = reader.read_content(&mut buffer)?;
                    let Some(fresh) = buffer.get(..read).filter(|fresh| !fresh.is_empty()) else { break };
                    hash.update(fresh);
                    spool.append(fresh).map_err(disk)?;
                }
                What::File(Content { digest: hash.finalize().into(), size, at })
            }
            other => What::Other(other),
        };
        let meta = match items.last() {
            Some(last) if *last.meta == entry.meta => Arc::clone(&last.meta),
            _ => Arc::new(entry.meta),
        };
        items.push(Item { path: entry.path.into(), what, meta });
    }
    let ended = reader.end()?;
    let contents = spool.finish().map_err(disk)?;
    Ok(LayerIndex { diff_id: ended.diff_id, plain: ended.plain, items, warnings: ended.warnings, contents })
}
