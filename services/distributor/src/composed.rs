//! The certificate of a layer, put together from what reading its pieces has proved.

use db::store::proof::ProvenRecipe;
use flatten::{Certificate, Composer};
use oci::layer::LayerError;

/// The certificate, or `None` when something has no proof: then the bytes are to be read.
///
/// # Errors
/// When the proofs do not make a flat layer.
pub(crate) fn certificate(recipe: &ProvenRecipe) -> Result<Option<Certificate>, LayerError> {
    let mut composer = Composer::new();
    let mut contents = recipe.contents.iter();
    let mut chunks = recipe.chunks.as_slice();
    while let Some((chunk, rest)) = chunks.split_first() {
        chunks = rest;
        let Some(proof) = &chunk.proof else { return Ok(None) };
        let Some(size) = composer.batch(proof)? else { continue };
        // The chunks that follow must be exactly those that were proved to be this content.
        let Some(content) = contents.next().filter(|content| content.size == size) else { return Ok(None) };
        let Some((own, rest)) = chunks.split_at_checked(content.chunks.len()) else { return Ok(None) };
        if !own.iter().map(|chunk| chunk.id).eq(content.chunks.iter().copied()) {
            return Ok(None);
        }
        composer.content(&content.digest, content.size)?;
        chunks = rest;
    }
    composer.finish().map(Some)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use super::certificate;
    use db::store::proof::{ProvenChunk, ProvenContent, ProvenRecipe};

    #[test]
    fn what_is_not_proved_is_to_be_read() {
        let end = flatten::prove(&[0; 1024]).unwrap().bytes;
        let chunk = |id, proof: Option<&Vec<u8>>| ProvenChunk { id, proof: proof.cloned() };
        let whole = ProvenRecipe { chunks: vec![chunk(1, Some(&end))], contents: Vec::new() };
        assert!(certificate(&whole).unwrap().is_some());
        let unproved = ProvenRecipe { chunks: vec![chunk(1, None)], contents: Vec::new() };
        assert!(certificate(&unproved).unwrap().is_none());
        let stray = ProvenContent { digest: [0; 32], size: 1, chunks: vec![2] };
        let longer =
            ProvenRecipe { chunks: vec![chunk(1, Some(&end)), chunk(2, Some(&end))], contents: vec![stray] };
        assert_eq!(certificate(&longer).unwrap_err().code(), "proof.invalid");
    }
}
