//! The entries of a batch as they are kept: compressed, a version first.

use std::cell::RefCell;
use std::io;

use oci::layer::LayerError;

use super::invalid;
use crate::certificate::Named;

/// The version of the form.
const VERSION: u8 = 1;

/// The most that the entries of one batch take: every entry is a header at least, and a batch a few megabytes.
const MOST: usize = 64 << 20;

/// An entry.
pub(super) enum Proven<'a> {
    /// All is known of it.
    Named(Named<'a>),
    /// A large file: its content follows the batch.
    Large { size: u64, kept: &'a [u8] },
    /// The archive ends here.
    End,
}

thread_local! {
    /// Made once for each thread: it is more than what it packs.
    static PACKING: RefCell<Option<zstd::bulk::Compressor<'static>>> = const { RefCell::new(None) };
}

const INODE: u8 = 0;
const LINK: u8 = 1;
const LARGE: u8 = 2;
const END: u8 = 3;

/// Entries, as they are written.
#[derive(Default)]
pub(super) struct Entries {
    bytes: Vec<u8>,
    count: usize,
}

impl Entries {
    pub(super) fn count(&self) -> usize {
        self.count
    }

    pub(super) fn add(&mut self, path: &[u8], proven: &Proven<'_>) {
        self.count += 1;
        let kind = match proven {
            Proven::Named(Named::Inode(_)) => INODE,
            Proven::Named(Named::Link(_)) => LINK,
            Proven::Large { .. } => LARGE,
            Proven::End => END,
        };
        self.bytes.push(kind);
        self.text(path);
        match proven {
            Proven::Named(Named::Inode(digest)) => self.bytes.extend_from_slice(digest),
            Proven::Named(Named::Link(target)) => self.text(target),
            Proven::Large { size, kept } => {
                self.bytes.extend_from_slice(&size.to_le_bytes());
                self.text(kept);
            }
            Proven::End => {}
        }
    }

    pub(super) fn end(&mut self) {
        self.add(b"", &Proven::End);
    }

    fn text(&mut self, text: &[u8]) {
        self.bytes.extend_from_slice(&(text.len() as u32).to_le_bytes());
        self.bytes.extend_from_slice(text);
    }

    pub(super) fn finish(self) -> io::Result<Vec<u8>> {
        PACKING.with_borrow_mut(|packing| {
            let context = match packing {
                Some(context) => context,
                None => packing.insert(zstd::bulk::Compressor::new(1)?),
            };
            let mut out = vec![VERSION];
            out.extend(context.compress(&self.bytes)?);
            Ok(out)
        })
    }
}

/// Reads entries that were kept; `each` is given every one, in order.
pub(super) fn read(
    proof: &[u8],
    mut each: impl FnMut(&[u8], Proven<'_>) -> Result<(), LayerError>,
) -> Result<(), LayerError> {
    let damaged = || invalid("its proof is damaged");
    let packed = proof.strip_prefix(&[VERSION]).ok_or_else(|| invalid("its proof is of another version"))?;
    let size = zstd::zstd_safe::get_frame_content_size(packed).ok().flatten();
    let size = size.and_then(|size| usize::try_from(size).ok()).filter(|size| *size <= MOST);
    let plain = zstd::bulk::decompress(packed, size.ok_or_else(damaged)?).map_err(|_| damaged())?;
    let mut rest = plain.as_slice();
    while !rest.is_empty() {
        let [kind] = *take::<1>(&mut rest).ok_or_else(damaged)?;
        let path = text(&mut rest).ok_or_else(damaged)?;
        let proven = match kind {
            INODE => take(&mut rest).map(|digest| Proven::Named(Named::Inode(*digest))),
            LINK => text(&mut rest).map(|target| Proven::Named(Named::Link(target))),
            LARGE => take(&mut rest).zip(text(&mut rest)).map(|(size, kept)| {
                let size = u64::from_le_bytes(*size);
                Proven::Large { size, kept }
            }),
            END => Some(Proven::End),
            _ => None,
        };
        each(path, proven.ok_or_else(damaged)?)?;
    }
    Ok(())
}

fn take<'a, const N: usize>(rest: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (taken, left) = rest.split_first_chunk()?;
    *rest = left;
    Some(taken)
}

fn text<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = u32::from_le_bytes(*take(rest)?) as usize;
    let (taken, left) = rest.split_at_checked(length)?;
    *rest = left;
    Some(taken)
}
