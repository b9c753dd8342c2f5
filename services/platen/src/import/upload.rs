//! Sending an archive into the factory; a directory is sent as the tar it would be.

use std::path::Path;

use anyhow::{Context as _, Result};
use model::ImageId;
use model::api::UploadTicket;
use reqwest::{Body, Method};
use tokio_util::io::ReaderStream;

use super::screen::Screen;
use crate::client::Client;

/// Streams the archive to the image that waits for it.
pub(super) async fn send(
    client: &Client,
    image: &ImageId,
    ticket: &UploadTicket,
    path: &Path,
    screen: &Screen,
) -> Result<()> {
    let file = if path.is_dir() { packed(path).await? } else { tokio::fs::File::open(path).await? };
    let size = file.metadata().await?.len();
    let bar = screen.upload(size);
    let stream = ReaderStream::with_capacity(file, 256 * 1024);
    let counted = futures::StreamExt::inspect(stream, move |piece| {
        if let (Some(bar), Ok(piece)) = (&bar, piece) {
            bar.inc(piece.len() as u64);
        }
    });
    let request = client
        .request(Method::POST, &format!("/v1/images/{image}/upload?token={}", ticket.token.expose()))
        .header("content-type", "application/x-tar")
        .header("content-length", size)
        .body(Body::wrap_stream(counted));
    client.send(request).await.with_context(|| format!("{} could not be uploaded", path.display()))?;
    Ok(())
}

/// An OCI layout directory as an unnamed temporary tar.
async fn packed(dir: &Path) -> Result<tokio::fs::File> {
    let dir = dir.to_owned();
    let file = tokio::task::spawn_blocking(move || -> Result<std::fs::File> {
        let file = tempfile::tempfile().context("a temporary file cannot be made")?;
        let mut tar = tar::Builder::new(file);
        tar.follow_symlinks(false);
        tar.append_dir_all(".", &dir).with_context(|| format!("{} cannot be read", dir.display()))?;
        let mut file = tar.into_inner()?;
        std::io::Seek::rewind(&mut file)?;
        Ok(file)
    })
    .await??;
    Ok(tokio::fs::File::from_std(file))
}
