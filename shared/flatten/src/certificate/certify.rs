//! The certificate of a flat tar, read back.
//!
//! It shares the layer reader with the import and the canonical form with the model, but nothing with the model itself or
//! with what wrote the tar.

use std::cmp::Ordering;
use std::io::Read;

use oci::layer::{Entry, Kind, LayerError, LayerReader};
use oci::limits::{Budget, Limits};

use super::{Certificate, Inode, Writer, inode};
use crate::index::{Content, What};

/// A path that was read: where it stands in the text, and which inode it names.
#[derive(Clone, Copy)]
struct Seen {
    at: usize,
    length: u16,
    inode: u32,
}

/// What was read, in its order. Of an inode only the digest is kept.
#[derive(Default)]
struct Names {
    seen: Vec<Seen>,
    text: Vec<u8>,
    inodes: Vec<Inode>,
    /// For each hardlink, its place and its target.
    links: Vec<(usize, Vec<u8>)>,
}

/// Reads a flat tar back, and computes its certificate and diff_id.
///
/// # Errors
/// When the tar is damaged, or is not flat: it has a path twice, a marker, or a link to what is not before it.
pub fn certify<R: Read + Send + 'static>(
    plain: R,
    limits: Limits,
) -> Result<(Certificate, [u8; 32]), LayerError> {
    let mut reader = LayerReader::open(plain, Budget::new(limits))?;
    let mut names = Names::default();
    let mut buffer = vec![0; 128 << 10];
    while let Some(entry) = reader.next_entry()? {
        let mut hash = blake3::Hasher::new();
        if matches!(entry.kind, Kind::File(_)) {
            loop {
                let read = reader.read_content(&mut buffer)?;
                let Some(fresh) = buffer.get(..read).filter(|fresh| !fresh.is_empty()) else { break };
                hash.update(fresh);
            }
        }
        names.add(entry, hash.finalize().into())?;
    }
    let ended = reader.end()?;
    Ok((names.certificate()?, ended.diff_id))
}

fn not_flat(place: usize, path: &[u8], sentence: &str) -> LayerError {
    LayerError::new("verify.not_flat", sentence).at(place as u64, path)
}

impl Names {
    fn add(&mut self, entry: Entry, digest: [u8; 32]) -> Result<(), LayerError> {
        let place = self.seen.len();
        let what = match &entry.kind {
            Kind::Whiteout | Kind::Opaque => {
                return Err(not_flat(place, &entry.path, "The flat layer holds a whiteout."));
            }
            Kind::Hardlink(target) => {
                self.links.push((place, target.clone()));
                None
            }
            Kind::File(size) => Some(What::File(Content { digest, size: *size, at: 0 })),
            Kind::Symlink(target) => Some(What::Symlink(target)),
            Kind::Dir => Some(What::Dir),
            Kind::Char(major, minor) => Some(What::Char(*major, *minor)),
            Kind::Block(major, minor) => Some(What::Block(*major, *minor)),
            Kind::Fifo => Some(What::Fifo),
        };
        let too_many = |_| not_flat(place, &entry.path, "The flat layer holds more than can be counted.");
        let number = match what {
            Some(what) => {
                self.inodes.push(inode(what, &entry.meta));
                u32::try_from(self.inodes.len() - 1).map_err(too_many)?
            }
            None => u32::MAX,
        };
        let length = u16::try_from(entry.path.len()).map_err(too_many)?;
        self.seen.push(Seen { at: self.text.len(), length, inode: number });
        self.text.extend_from_slice(&entry.path);
        Ok(())
    }

    fn path(&self, place: usize) -> &[u8] {
        let Some(Seen { at, length, .. }) = self.seen.get(place) else { return b"" };
        self.text.get(*at..at + usize::from(*length)).unwrap_or_default()
    }

    fn certificate(mut self) -> Result<Certificate, LayerError> {
        let mut order: Vec<u32> = (0..).take(self.seen.len()).collect();
        order
            .sort_unstable_by(|a, b| by_names(self.path(*a as usize), self.path(*b as usize)).then(a.cmp(b)));
        for pair in order.windows(2) {
            if let [one, other] = pair
                && self.path(*one as usize) == self.path(*other as usize)
            {
                let place = *other as usize;
                return Err(not_flat(place, self.path(place), "A path stands twice in the flat layer."));
            }
        }
        self.resolve(&order)?;
        // 0 is none, else the place of the inode's first path, and 1.
        let mut first = vec![0usize; self.inodes.len()];
        let mut out = Writer::default();
        for place in order {
            let place = place as usize;
            let Some(number) = self.seen.get(place).map(|seen| seen.inode as usize) else { continue };
            let (Some(first), Some(inode)) = (first.get_mut(number), self.inodes.get(number)) else {
                continue;
            };
            if *first > 0 {
                out.link(self.path(place), self.path(*first - 1));
            } else {
                *first = place + 1;
                out.inode(self.path(place), inode);
            }
        }
        Ok(out.finish())
    }

    /// Finds what each hardlink leads to. A target that is a link itself stands before, and has its inode by then.
    fn resolve(&mut self, order: &[u32]) -> Result<(), LayerError> {
        for (place, target) in std::mem::take(&mut self.links) {
            let found = order.binary_search_by(|other| by_names(self.path(*other as usize), &target));
            let found = found.ok().and_then(|at| order.get(at)).map(|found| *found as usize);
            let found = found.filter(|found| *found < place);
            let missing = "A hardlink stands before its target.";
            let found = found.ok_or_else(|| not_flat(place, self.path(place), missing))?;
            let inode = self.seen.get(found).map_or(u32::MAX, |seen| seen.inode);
            if let Some(seen) = self.seen.get_mut(place) {
                seen.inode = inode;
            }
        }
        Ok(())
    }
}

/// Compares paths name by name: nothing in a name is lower than the slash that ends it.
fn by_names(one: &[u8], other: &[u8]) -> Ordering {
    // No path holds a NUL, so the slash can take its rank.
    let rank = |byte: &u8| if *byte == b'/' { 0 } else { *byte };
    one.iter().map(rank).cmp(other.iter().map(rank))
}
