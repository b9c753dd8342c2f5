//! Writing the flat layer of layers that were just read: for tests, and beside other tools.

use std::io::{self, Write};

use crate::index::Content;
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
            Piece::Large { content, layer } => copy(&plan, &content, layer, out)?,
        }
    }
    Ok(plan.flat())
}

fn copy(plan: &Plan<'_, '_>, content: &Content, layer: usize, out: &mut impl Write) -> io::Result<()> {
    let gone = || io::Error::other("the contents of a layer are not there");
    let mut reader = plan.spooled(content, layer).ok_or_else(gone)?;
    io::copy(&mut reader, out)?;
    let padding = usize::try_from(content.size.next_multiple_of(512) - content.size).unwrap_or(0);
    out.write_all(&vec![0; padding])
}
