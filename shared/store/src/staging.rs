//! Archives on their way in: appended as they come, read by the factory, dropped afterwards.

use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::fs::{File, OpenOptions};
use tokio::io::AsyncWriteExt;

use crate::{Result, Store, StoreError};

/// A staged archive.
#[derive(Debug, Clone)]
pub struct Staged {
    /// Its id.
    pub id: String,
    /// How long ago it was last written to.
    pub age: Duration,
}

/// An archive being received.
#[derive(Debug)]
pub struct Upload {
    file: File,
    path: PathBuf,
    at: u64,
    most: u64,
}

impl Store {
    /// Where a staged archive is, to be read.
    pub fn staged_path(&self, id: &str) -> PathBuf {
        // Ids come from rows of ours; anything else could climb out of the directory.
        let name: String = id.chars().filter(char::is_ascii_alphanumeric).collect();
        self.root.join("uploads").join(name)
    }

    /// How much of an archive has arrived, in bytes.
    ///
    /// # Errors
    /// When that cannot be told.
    pub async fn staged(&self, id: &str) -> Result<u64> {
        match tokio::fs::metadata(self.staged_path(id)).await {
            Ok(meta) => Ok(meta.len()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(StoreError::io("a staged archive cannot be read")(error)),
        }
    }

    /// Receives an archive from an offset on; 0 begins anew. At most `most` bytes in all.
    ///
    /// # Errors
    /// [`StoreError::Offset`] when what arrived before ends elsewhere.
    pub async fn stage(&self, id: &str, offset: u64, most: u64) -> Result<Upload> {
        let path = self.staged_path(id);
        if offset > 0 && self.staged(id).await? != offset {
            return Err(StoreError::Offset(self.staged(id).await?));
        }
        let mut options = OpenOptions::new();
        options.create(true).write(true).append(offset > 0).truncate(offset == 0);
        let file = options.open(&path).await.map_err(StoreError::io("an archive cannot be staged"))?;
        Ok(Upload { file, path, at: offset, most })
    }

    /// Drops a staged archive; one that is not there is no error.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub async fn unstage(&self, id: &str) -> Result<()> {
        match tokio::fs::remove_file(self.staged_path(id)).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(StoreError::io("a staged archive cannot be removed")(error))
            }
            _ => Ok(()),
        }
    }

    /// The staged archives there are.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub async fn list_staged(&self) -> Result<Vec<Staged>> {
        let failed = || StoreError::io("staged archives cannot be listed");
        let mut entries = tokio::fs::read_dir(self.root.join("uploads")).await.map_err(failed())?;
        let mut found = Vec::new();
        while let Some(entry) = entries.next_entry().await.map_err(failed())? {
            let Ok(meta) = entry.metadata().await else { continue };
            let age = meta.modified().ok().and_then(|t| t.elapsed().ok()).unwrap_or_default();
            found.push(Staged { id: entry.file_name().to_string_lossy().into_owned(), age });
        }
        Ok(found)
    }
}

impl Upload {
    /// Appends.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] past the cap, [`StoreError::Full`] when the disk is full.
    pub async fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.at += bytes.len() as u64;
        if self.at > self.most {
            let _ = tokio::fs::remove_file(&self.path).await;
            return Err(StoreError::TooLarge(self.most));
        }
        self.file.write_all(bytes).await.map_err(StoreError::io("an archive cannot be staged"))
    }

    /// The archive is whole: makes it durable, and answers its digest (`sha256:<hex>`) and size.
    ///
    /// # Errors
    /// When it cannot be written or read back.
    pub async fn finish(mut self) -> Result<(String, u64)> {
        let failed = || StoreError::io("an archive cannot be staged");
        self.file.flush().await.map_err(failed())?;
        self.file.sync_all().await.map_err(failed())?;
        let path = self.path;
        let hashed = tokio::task::spawn_blocking(move || -> std::io::Result<(String, u64)> {
            let mut file = std::fs::File::open(path)?;
            let (mut hash, mut size, mut piece) = (Sha256::new(), 0, vec![0; 1 << 20]);
            loop {
                let read = file.read(&mut piece)?;
                let Some(fresh) = piece.get(..read).filter(|fresh| !fresh.is_empty()) else { break };
                hash.update(fresh);
                size += read as u64;
            }
            Ok((format!("sha256:{}", hex::encode(hash.finalize())), size))
        });
        let ended = |e: tokio::task::JoinError| StoreError::Io { what: "a reader ended", cause: e.into() };
        hashed.await.map_err(ended)?.map_err(failed())
    }
}
