//! An OCI layout read as its tar comes.
//!
//! What a blob is, is only known from documents that may come after it; so a blob that is a tar goes to the taker, and anything
//! else is kept as a document. A layer that the taker knows is passed over.

use std::io::Read;
use std::sync::Arc;

use oci::digest::Digest;
use oci::manifest::Document;
use tokio::runtime::Handle;

use super::{BuiltImage, Layer, MAX_DOCUMENT, Shelf, Taker, document, ended, invalid, is_layer, take};
use crate::BuildError;

/// Documents together may take so many bytes.
const MAX_DOCUMENTS: u64 = 8 * MAX_DOCUMENT;

/// Reads a layout to its end; answers the images that its index names, attestations left out.
///
/// # Errors
/// `builder.image` when it is none, or what the taker says.
pub async fn receive<T: Taker>(
    from: impl Read + Send + 'static,
    taker: Arc<T>,
) -> Result<Vec<BuiltImage>, BuildError> {
    let runtime = Handle::current();
    let read = tokio::task::spawn_blocking(move || read(from, &taker, &runtime)).await;
    let (shelf, index) = read.map_err(ended)??;
    let mut images = Vec::new();
    let mut waiting = vec![document(index.ok_or_else(|| invalid("it has no index.json"))?)?];
    // An index within the index is as deep as builders go.
    for _ in 0..3 {
        let mut next = Vec::new();
        for one in waiting {
            match one {
                Document::Manifest(manifest) => images.push(shelf.image(manifest)?),
                Document::Index(index) => {
                    for entry in index.manifests.iter().filter(|entry| !entry.is_attestation) {
                        let bytes = shelf.arrived().documents.get(&entry.digest).cloned();
                        next.push(document(
                            bytes.ok_or_else(|| invalid(format!("{} is missing", entry.digest)))?,
                        )?);
                    }
                }
            }
        }
        waiting = next;
    }
    if images.is_empty() || !waiting.is_empty() {
        Err(invalid("its index names no image"))
    } else {
        Ok(images)
    }
}

fn read<T: Taker>(
    from: impl Read,
    taker: &Arc<T>,
    runtime: &Handle,
) -> Result<(Arc<Shelf>, Option<bytes::Bytes>), BuildError> {
    let broken = |e: std::io::Error| invalid(e);
    let shelf = Arc::new(Shelf::default());
    let mut index = None;
    let mut kept = 0u64;
    let mut tar = tar::Archive::new(from);
    for entry in tar.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        let path = entry.path_bytes().into_owned();
        let path = String::from_utf8_lossy(&path).trim_start_matches("./").to_owned();
        let name = path.strip_prefix("blobs/sha256/").map(|hex| format!("sha256:{hex}").parse::<Digest>());
        if !entry.header().entry_type().is_file() || (name.is_none() && path != "index.json") {
            continue;
        }
        let mut head = Vec::new();
        entry.by_ref().take(512).read_to_end(&mut head).map_err(broken)?;
        match name {
            Some(Ok(digest)) if is_layer(&head) => {
                let size = entry.size();
                if runtime.block_on(taker.known(&digest)).is_some() {
                    shelf.arrived().layers.insert(digest.clone(), Layer { diff_id: digest, size });
                    continue;
                }
                let got = pump(std::io::Cursor::new(head).chain(entry), &shelf, taker, runtime)?;
                if got != digest {
                    return Err(invalid(format!("a layer is {got} and not {digest}")));
                }
            }
            Some(Err(error)) => return Err(invalid(error)),
            Some(Ok(_)) | None => {
                kept += entry.size();
                if entry.size() > MAX_DOCUMENT || kept > MAX_DOCUMENTS {
                    return Err(invalid("a document in it is too large"));
                }
                entry.read_to_end(&mut head).map_err(broken)?;
                let bytes = bytes::Bytes::from(head);
                match name {
                    Some(_) => _ = shelf.arrived().documents.insert(Digest::of(&bytes), bytes),
                    None => index = Some(bytes),
                }
            }
        }
    }
    // Whoever writes it may still be at the padding, and would take a closed pipe for a failure.
    std::io::copy(&mut tar.into_inner(), &mut std::io::sink()).map_err(broken)?;
    Ok((shelf, index))
}

/// Hands a layer over that can only be read here, since it is a part of what this thread reads.
fn pump<T: Taker>(
    mut from: impl Read,
    shelf: &Arc<Shelf>,
    taker: &Arc<T>,
    runtime: &Handle,
) -> Result<Digest, BuildError> {
    let (reader, mut writer) = std::io::pipe().map_err(invalid)?;
    let (shelf, taker) = (Arc::clone(shelf), Arc::clone(taker));
    let taken = runtime.spawn(async move { take(&shelf, taker.as_ref(), reader).await });
    let copied = std::io::copy(&mut from, &mut writer);
    drop(writer);
    let digest = runtime.block_on(taken).map_err(ended)?;
    match copied {
        // Who takes it says why it no longer reads.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(invalid(error)),
        _ => digest,
    }
}
