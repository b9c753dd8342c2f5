//! Platen's side: the flat layer, read by a reader that shares nothing with it.

use std::io::Cursor;

use oci::limits::Budget;
use testkit::stack::{Stack, Tree, read_tar};

/// Flattens a stack; the code if it is refused.
pub(crate) fn flatten(stack: &Stack) -> Result<Tree, String> {
    flat(stack).map(|tar| read_tar(&tar))
}

/// Flattens a stack into a tar; the code if it is refused.
pub(crate) fn flat(stack: &Stack) -> Result<Vec<u8>, String> {
    let dir = tempfile::tempdir().unwrap();
    let budget = Budget::default();
    let read = |tar| {
        flatten::read_layer(Cursor::new(tar), dir.path(), &budget, None).map_err(|e| e.code().to_owned())
    };
    let layers: Vec<_> = stack.tars().into_iter().map(read).collect::<Result<_, _>>()?;
    let mut tree = flatten::Tree::default();
    for layer in &layers {
        tree.apply(layer).map_err(|e| e.code().to_owned())?;
    }
    let mut out = Vec::new();
    flatten::emit(&tree, &mut out).unwrap();
    Ok(out)
}
