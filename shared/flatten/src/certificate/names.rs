//! The names of a flat layer, in its order, and the certificate they make.

use std::cmp::Ordering;

use oci::layer::LayerError;

use super::{Certificate, Inode, Writer};

/// What a path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Named<'a> {
    /// The first name of an inode of this digest.
    Inode(Inode),
    /// Another name of what this path names.
    Link(&'a [u8]),
}

/// A path that was read: where it stands in the text, and which inode it names.
#[derive(Clone, Copy)]
struct Seen {
    at: usize,
    length: u16,
    inode: u32,
}

/// What was read, in its order. Of an inode only the digest is kept.
#[derive(Default)]
pub(crate) struct Names {
    seen: Vec<Seen>,
    text: Vec<u8>,
    inodes: Vec<Inode>,
    /// For each hardlink, its place and its target.
    links: Vec<(usize, Vec<u8>)>,
}

pub(crate) fn not_flat(place: usize, path: &[u8], sentence: &str) -> LayerError {
    LayerError::new("verify.not_flat", sentence).at(place as u64, path)
}

impl Names {
    pub(crate) fn count(&self) -> usize {
        self.seen.len()
    }

    pub(crate) fn add(&mut self, path: &[u8], named: Named<'_>) -> Result<(), LayerError> {
        let place = self.seen.len();
        let too_many = |_| not_flat(place, path, "The flat layer holds more than can be counted.");
        let number = match named {
            Named::Inode(inode) => {
                self.inodes.push(inode);
                u32::try_from(self.inodes.len() - 1).map_err(too_many)?
            }
            Named::Link(target) => {
                self.links.push((place, target.to_vec()));
                u32::MAX
            }
        };
        let length = u16::try_from(path.len()).map_err(too_many)?;
        self.seen.push(Seen { at: self.text.len(), length, inode: number });
        self.text.extend_from_slice(path);
        Ok(())
    }

    fn path(&self, place: usize) -> &[u8] {
        let Some(Seen { at, length, .. }) = self.seen.get(place) else { return b"" };
        self.text.get(*at..at + usize::from(*length)).unwrap_or_default()
    }

    pub(crate) fn certificate(mut self) -> Result<Certificate, LayerError> {
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
