//! Proofs: what reading a stored batch has found, kept so that nobody need read it again.
//!
//! A batch is a piece of a flat tar: whole entries, the last of which may be the header of a large file whose content
//! follows in chunks of its own. Its key is computed by the planner, from headers and digests of contents, and once more
//! from its stored bytes, by a reader that shares no code with what wrote them. Equal keys mean that the bytes are the ones
//! that were meant. What the entries are is kept beside the chunk, and a certificate put together from that.

use std::io::Cursor;

use oci::layer::{Kind, LayerError, LayerReader};
use oci::limits::{Budget, Limits};

use crate::certificate::{self, kept};
use crate::write::BIG;

mod compose;
mod entries;
mod frames;

pub use compose::Composer;
use entries::{Entries, Proven};
use frames::{Frame, Frames};

/// The key of a batch, as it grows: BLAKE3 of its parts, each preceded by its kind and length.
#[derive(Debug, Clone)]
pub struct BatchKey(blake3::Hasher);

impl Default for BatchKey {
    fn default() -> Self {
        Self::new()
    }
}

impl BatchKey {
    /// Of nothing yet.
    pub fn new() -> Self {
        Self(blake3::Hasher::new_derive_key("platen 2026-11-25 batch of entries"))
    }

    /// The blocks that stand before a content: extension headers, the header; or the blocks of zeros that end an archive.
    pub fn header(&mut self, blocks: &[u8]) {
        self.part(b'h', blocks.len() as u64);
        self.0.update(blocks);
    }

    /// A content, whose padding its size tells.
    pub fn content(&mut self, digest: &[u8; 32], size: u64) {
        self.part(b'c', size);
        self.0.update(digest);
    }

    fn part(&mut self, kind: u8, length: u64) {
        let mut head = [kind; 9];
        head.iter_mut().skip(1).zip(length.to_le_bytes()).for_each(|(to, from)| *to = from);
        self.0.update(&head);
    }

    /// The key.
    pub fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

/// What a batch's bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// Its key, from these bytes.
    pub key: [u8; 32],
    /// Its entries, for [`Composer::batch`].
    pub bytes: Vec<u8>,
}

/// Reads a batch's plain bytes.
///
/// # Errors
/// When they are not a piece of a flat tar as Platen writes it (`proof.*`, or as the layer reader says).
pub fn prove(plain: &[u8]) -> Result<Proof, LayerError> {
    let mut key = BatchKey::new();
    let mut entries = Entries::default();
    let frames: Vec<Frame<'_>> = Frames::of(plain).collect::<Result<_, _>>()?;
    let heads: Vec<u8> = frames.iter().flat_map(Frame::head).copied().collect();
    let mut reader = LayerReader::headers(Cursor::new(heads), Budget::new(Limits::stored()));
    for frame in frames {
        let (head, content) = match frame {
            Frame::Entry { head, content } => (head, content),
            Frame::End { zeros } => {
                key.header(zeros);
                entries.end();
                continue;
            }
        };
        key.header(head);
        let entry = reader.next_entry()?.ok_or_else(|| invalid("it holds fewer entries than headers"))?;
        match (&entry.kind, content) {
            (Kind::File(size), None) if *size >= BIG => {
                entries.add(&entry.path, &Proven::Large { size: *size, kept: &kept(&entry.meta) });
            }
            (Kind::File(size), Some(content)) if *size == content.len() as u64 => {
                let digest = *blake3::hash(content).as_bytes();
                key.content(&digest, *size);
                let named = certificate::named(entries.count(), &entry, digest)?;
                entries.add(&entry.path, &Proven::Named(named));
            }
            (Kind::File(_), _) => return Err(invalid("a content is not as long as its header says")),
            (_, Some(content)) if !content.is_empty() => {
                return Err(invalid("what is no file has a content"));
            }
            (_, _) => {
                let named = certificate::named(entries.count(), &entry, [0; 32])?;
                entries.add(&entry.path, &Proven::Named(named));
            }
        }
    }
    let bytes = entries.finish().map_err(|e| invalid(&e.to_string()))?;
    Ok(Proof { key: key.finish(), bytes })
}

fn invalid(why: &str) -> LayerError {
    LayerError::new("proof.invalid", format!("A piece of a flat layer is none: {why}."))
}
