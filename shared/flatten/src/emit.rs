//! Writing the flat layer of layers that were just read: for tests, and beside other tools.

use std::io::{self, Write};

use crate::index::{Content, Place};
use crate::plan::{Cuts, Flat, Nothing, Piece, Plan};
use crate::tree::Tree;

/// Writes the flat layer of a tree whose layers were read without anybody to take in large files.
///
/// # Errors
/// When contents cannot be read, or `out` cannot be written to.
pub fn emit(tree: &Tree<'_>, out: &mut impl Write) -> io::Result<Flat> {
    let mut plan = Plan::of(tree, Cuts::default());
    let mut buffer = Vec::new();
    for piece in plan.pieces().to_vec() {
        match piece {
            Piece::Batch { entries, last, .. } => {
                buffer.clear();
                plan.fill(entries, last, &mut Nothing, &mut buffer)?;
                out.write_all(&buffer)?;
            }
            Piece::Large { content, layer } => copy(tree, &content, layer, &mut buffer, out)?,
        }
    }
    Ok(plan.flat())
}

fn copy(
    tree: &Tree<'_>,
    content: &Content,
    layer: usize,
    buffer: &mut Vec<u8>,
    out: &mut impl Write,
) -> io::Result<()> {
    let gone = || io::Error::other("the contents of a layer are not there");
    let contents = tree.layer_at(layer).and_then(|layer| layer.contents.as_ref()).ok_or_else(gone)?;
    let Place::Spooled(from) = content.place else { return Err(gone()) };
    let (mut at, end) = (from, from + content.size);
    while at < end {
        let some = usize::try_from((end - at).min(1 << 20)).unwrap_or(1 << 20);
        buffer.clear();
        contents.read(at, some, &mut Default::default(), buffer)?;
        out.write_all(buffer)?;
        at += some as u64;
    }
    let padding = usize::try_from(content.size.next_multiple_of(512) - content.size).unwrap_or(0);
    out.write_all(&vec![0; padding])
}
