//! Stacks of layers: read, applied, written, certified, and flattened again.

use std::io::Cursor;

use flatten::{Tree, certify, emit, read_layer};
use oci::limits::{Budget, Limits};

use super::{assert_code, mend::mended, parts};

/// Flattens up to eight layers. Whatever is not refused has equal certificates, and is flat.
pub fn stack(data: &[u8]) {
    let layers: Vec<Vec<u8>> = parts(data, 8).into_iter().map(mended).collect();
    let Ok(flat) = flatten(&layers) else { return };
    assert_eq!(flatten(std::slice::from_ref(&flat)).as_ref(), Ok(&flat), "flat of flat is the same");
}

fn flatten(layers: &[Vec<u8>]) -> Result<Vec<u8>, &'static str> {
    let dir = std::env::temp_dir();
    let budget = Budget::new(Limits { bytes: 4 << 20, entries: 500, ..Limits::default() });
    let mut indexes = Vec::new();
    for layer in layers {
        indexes.push(read_layer(Cursor::new(layer.clone()), &dir, &budget, None).map_err(|error| {
            assert_code(error.code());
            error.code()
        })?);
    }
    let mut tree = Tree::new(budget.limits().clone());
    for index in &indexes {
        tree.apply(index).map_err(|error| {
            assert_code(error.code());
            error.code()
        })?;
    }
    let mut out = Vec::new();
    let made = emit(&tree, &mut out).expect("what was read can be written");
    assert_eq!(made.plain, out.len() as u64);
    let (certificate, _) = certify(Cursor::new(out.clone()), Limits::default())
        .unwrap_or_else(|error| panic!("a flat layer is refused: {error}"));
    assert_eq!(certificate, made.certificate, "the certificates of the model and of the bytes");
    Ok(out)
}
