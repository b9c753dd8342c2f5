//! Reading a layer into its index.

use std::io::{self, Read};
use std::path::Path;

use oci::layer::{Entry, Kind, LayerError, LayerReader, Meta};
use oci::limits::Budget;

use super::{Content, Kept, LayerIndex, Place, Row, Span};
use crate::contents::Spool;
use crate::source::Shared;
use crate::write::BIG;

/// Who takes large files in as they are read, so that they are cut and compressed while the rest of the layer comes.
pub trait LargeFiles: Sync {
    /// Whether a layer above is known to hide the file of this path: then it is not kept. Should it be needed all the same, by
    /// another name, its layer is read again.
    fn hidden(&self, path: &[u8]) -> bool;

    /// Takes in a content of exactly `size` bytes; answers the keys of its chunks.
    ///
    /// # Errors
    /// When it cannot be read (the error is the reader's own) or kept.
    fn keep(&self, content: &mut dyn Read, size: u64) -> io::Result<Vec<[u8; 32]>>;
}

/// An index that is growing.
#[derive(Debug, Default)]
struct Growing {
    rows: Vec<Row>,
    files: Vec<Content>,
    metas: Vec<Meta>,
    text: Vec<u8>,
    keys: Vec<[u8; 32]>,
}

impl Growing {
    fn add(&mut self, entry: Entry, content: Option<Content>) -> Result<(), LayerError> {
        let path = self.keep(&entry.path)?;
        let kept = match (entry.kind, content) {
            (_, Some(content)) => {
                self.files.push(content);
                Kept::File(number(self.files.len() - 1)?)
            }
            (Kind::Symlink(target), None) => Kept::Symlink(self.keep(&target)?),
            (Kind::Hardlink(target), None) => Kept::Hardlink(self.keep(&target)?),
            (Kind::Char(major, minor), None) => Kept::Char(major, minor),
            (Kind::Block(major, minor), None) => Kept::Block(major, minor),
            (Kind::Fifo, None) => Kept::Fifo,
            (Kind::Whiteout, None) => Kept::Whiteout,
            (Kind::Opaque, None) => Kept::Opaque,
            (Kind::Dir | Kind::File(_), None) => Kept::Dir,
        };
        if self.metas.last() != Some(&entry.meta) {
            self.metas.push(entry.meta);
        }
        self.rows.push(Row { path, kept, meta: number(self.metas.len() - 1)? });
        Ok(())
    }

    fn keep(&mut self, text: &[u8]) -> Result<Span, LayerError> {
        let span =
            Span { at: number(self.text.len())?, length: u16::try_from(text.len()).map_err(|_| too_many())? };
        self.text.extend_from_slice(text);
        Ok(span)
    }
}

fn number(place: usize) -> Result<u32, LayerError> {
    u32::try_from(place).map_err(|_| too_many())
}

/// Beyond what the numbers of an index can say, whatever the operator allows: four thousand million.
fn too_many() -> LayerError {
    LayerError::new(
        "layer.too_many_entries",
        "A layer holds more entries or longer names than can be counted.",
    )
}

/// Reads a layer's compressed bytes to their end. Large files go to `large`, if there is one, and the rest into an unnamed
/// file in `dir`.
///
/// # Errors
/// When the layer is refused or damaged, its bytes cannot be had, or `dir` cannot be written to (`factory.disk`). Of
/// bytes that are not those they should be, that is told, and not what is wrong in them. What `large` says is in
/// [`LayerError::input_error`].
pub fn read_layer<R: Read + Send + 'static>(
    input: R,
    dir: &Path,
    budget: &Budget,
    large: Option<&dyn LargeFiles>,
) -> Result<LayerIndex, LayerError> {
    let input = Shared::new(input);
    read(input.clone(), dir, budget, large).map_err(|error| {
        let about_bytes = error.is_permanent() && error.code() != "factory.disk";
        let verdict = if about_bytes { input.verdict() } else { None };
        verdict.unwrap_or(error)
    })
}

fn read<R: Read + Send + 'static>(
    input: Shared<R>,
    dir: &Path,
    budget: &Budget,
    large: Option<&dyn LargeFiles>,
) -> Result<LayerIndex, LayerError> {
    let mut reader = LayerReader::open(input, budget.clone())?;
    let mut spool = Spool::new(dir).map_err(disk)?;
    let mut index = Growing::default();
    let mut buffer = vec![0; 128 << 10];
    while let Some(entry) = reader.next_entry()? {
        let content = match &entry.kind {
            Kind::File(size) => {
                let (digest, place) = match large.filter(|_| *size >= BIG) {
                    Some(large) if large.hidden(&entry.path) => {
                        (hashed(&mut reader, &mut buffer, |_| Ok(()))?, Place::Nowhere)
                    }
                    Some(large) => {
                        let (digest, keys) = kept(&mut reader, large, *size)?;
                        let place = Place::Large(number(index.keys.len())?, number(keys.len())?);
                        index.keys.extend(keys);
                        (digest, place)
                    }
                    None => {
                        let at = spool.at();
                        let keep = |fresh: &[u8]| spool.append(fresh).map_err(disk);
                        (hashed(&mut reader, &mut buffer, keep)?, Place::Spooled(at))
                    }
                };
                Some(Content { digest, size: *size, place })
            }
            _ => None,
        };
        index.add(entry, content)?;
    }
    let ended = reader.end()?;
    let contents = spool.finish().map_err(disk)?;
    let Growing { rows, files, metas, text, keys } = index;
    Ok(LayerIndex {
        diff_id: ended.diff_id,
        plain: ended.plain,
        warnings: ended.warnings,
        unsaid: ended.unsaid,
        contents: Some(contents),
        keys,
        rows,
        files,
        metas,
        text,
    })
}

fn disk(e: io::Error) -> LayerError {
    LayerError::new("factory.disk", format!("The factory's disk cannot be written to: {e}."))
}

fn hashed(
    reader: &mut LayerReader,
    buffer: &mut [u8],
    mut keep: impl FnMut(&[u8]) -> Result<(), LayerError>,
) -> Result<[u8; 32], LayerError> {
    let mut hash = blake3::Hasher::new();
    loop {
        let read = reader.read_content(buffer)?;
        let Some(fresh) = buffer.get(..read).filter(|fresh| !fresh.is_empty()) else { break };
        hash.update(fresh);
        keep(fresh)?;
    }
    Ok(hash.finalize().into())
}

fn kept(
    reader: &mut LayerReader,
    large: &dyn LargeFiles,
    size: u64,
) -> Result<([u8; 32], Vec<[u8; 32]>), LayerError> {
    let mut content = Passing { reader, hash: blake3::Hasher::new(), failed: None };
    let keys = large.keep(&mut content, size);
    let Passing { hash, failed, .. } = content;
    match (failed, keys) {
        (Some(error), _) => Err(error),
        (None, Ok(keys)) => Ok((hash.finalize().into(), keys)),
        (None, Err(error)) => Err(LayerError::input(error)),
    }
}

/// A file's content on its way to who keeps it. What is wrong with the layer is kept here, for it is no error of theirs.
struct Passing<'a> {
    reader: &'a mut LayerReader,
    hash: blake3::Hasher,
    failed: Option<LayerError>,
}

impl Read for Passing<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self.reader.read_content(into) {
            Ok(read) => {
                self.hash.update(into.get(..read).unwrap_or_default());
                Ok(read)
            }
            Err(error) => {
                self.failed = Some(error);
                Err(io::Error::other("the layer cannot be read"))
            }
        }
    }
}
