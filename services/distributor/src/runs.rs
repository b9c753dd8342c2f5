//! From a recipe's pieces to the store's runs.

use db::store::Placed;
use store::{Error, Run};

/// The runs of a recipe.
pub(crate) fn of(pieces: Vec<Placed>) -> Result<Vec<Run>, Error> {
    let named = |piece: Placed| {
        let pack = piece.pack.parse().map_err(|_| Error::Damaged(format!("`{}` is no pack", piece.pack)))?;
        Ok(Run { pack, offset: piece.offset, length: piece.length })
    };
    pieces.into_iter().map(named).collect()
}
