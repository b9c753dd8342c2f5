//! Platen's side: the flat layer, read by a reader that shares nothing with it.

use std::io::Cursor;

use oci::limits::Budget;
use testkit::stack::{Stack, Tree, read_tar};

/// Flattens a stack; the code if it is refused.
pub(crate) fn flatten(stack: &Stack) -> Result<Tree, String> {
    let dir = tempfile::tempdir().unwrap();
    let budget = Budget::default();
    let (mut tree, mut contents) = (flatten::Tree::default(), Vec::new());
    for tar in stack.tars() {
        let index =
            flatten::read_layer(Cursor::new(tar), dir.path(), &budget).map_err(|e| e.code().to_owned())?;
        contents.push(index.contents.clone());
        tree.apply(&index).map_err(|e| e.code().to_owned())?;
    }
    let mut out = Vec::new();
    flatten::emit(&tree, &contents, &mut out).unwrap();
    Ok(read_tar(&out))
}
