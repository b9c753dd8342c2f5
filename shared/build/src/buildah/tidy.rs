//! Keeping a hub's storage within its bounds: what builds left behind that were killed, and caches that have grown too large.

use std::path::Path;
use std::process::Stdio;

use serde::Deserialize;
use tokio::process::Command;
use tracing::{info, warn};

use crate::job::Storage;
use crate::size;

/// A layer in the storage, as containers/storage records it.
#[derive(Deserialize)]
struct Layer {
    #[serde(rename = "diff-size", default)]
    size: u64,
}

/// Tidies if nobody else uses the storage just now. What goes wrong costs space, and no build.
pub(super) async fn tidy(storage: &Storage, most: u64) {
    if !storage.alone() {
        return;
    }
    // Working containers belong to builds, and there are none.
    if has_containers(storage.path()) {
        buildah(storage.path(), &["rm", "--all"]).await;
    }
    let size = taken(storage.path());
    if size > most {
        info!(size, most, "a hub's build cache has grown too large, and is emptied");
        buildah(storage.path(), &["rmi", "--all", "--force"]).await;
        if let Err(error) = tokio::fs::remove_dir_all(storage.path().join("cache")).await
            && error.kind() != std::io::ErrorKind::NotFound
        {
            warn!(%error, "cache mounts could not be removed");
        }
    }
    storage.share();
}

fn has_containers(dir: &Path) -> bool {
    let list = dir.join("images/overlay-containers/containers.json");
    std::fs::read_to_string(list).is_ok_and(|text| text.trim().len() > 2)
}

/// Bytes of all layers, and of cache mounts.
fn taken(dir: &Path) -> u64 {
    let layers = std::fs::read(dir.join("images/overlay-layers/layers.json")).unwrap_or_default();
    let layers: Vec<Layer> = serde_json::from_slice(&layers).unwrap_or_default();
    layers.iter().map(|layer| layer.size).sum::<u64>() + size::on_disk(&dir.join("cache"), u64::MAX)
}

async fn buildah(dir: &Path, args: &[&str]) {
    // Its own run directory: mounts of builds are in namespaces that are gone.
    let Ok(run) = tempfile::tempdir() else { return };
    let mut command = Command::new("buildah");
    command.arg("--root").arg(dir.join("images")).arg("--runroot").arg(run.path());
    command.arg("--storage-driver=overlay").args(args).kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    match command.output().await {
        Ok(output) if output.status.success() => {}
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            warn!(said = said.trim(), "a hub's build storage could not be tidied");
        }
        Err(error) => warn!(%error, "buildah cannot be started"),
    }
}
