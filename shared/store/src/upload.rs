//! Uploads: bytes a client sends piece by piece, kept until an import has read them.
//!
//! An upload is `uploads/<id>.part` while it grows and `uploads/<id>` when it is finished; what stands on disk is the
//! whole state, so a client can go on after any crash, its own or ours.

mod append;

use crate::{Error, Store};
use std::{
    fmt,
    fs::{self, File, OpenOptions, TryLockError},
    io::ErrorKind,
    os::unix::fs::MetadataExt,
    path::PathBuf,
    time::Duration,
};
use uuid::Uuid;

use crate::disk::PART;

/// Names an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UploadId(
    /// The id as databases and URLs keep it.
    pub Uuid,
);

impl UploadId {
    /// The id of an upload that belongs to something with an id of its own.
    pub fn of(owner: [u8; 16]) -> UploadId {
        UploadId(Uuid::from_bytes(owner))
    }

    /// What it belongs to.
    pub fn owner(&self) -> [u8; 16] {
        self.0.into_bytes()
    }

    /// A fresh id, sorting by time of making.
    #[expect(clippy::new_without_default, reason = "a default that differs each time would surprise")]
    pub fn new() -> UploadId {
        UploadId(Uuid::now_v7())
    }

    fn object(&self) -> String {
        format!("uploads/{self}")
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.simple().fmt(f)
    }
}

/// An upload found in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UploadEntry {
    /// Its id.
    pub id: UploadId,
    /// Its size so far, in bytes.
    pub size: u64,
    /// Time since its last write.
    pub age: Duration,
    /// Whether it is finished.
    pub finished: bool,
}

impl Store {
    /// Opens an upload, empty.
    ///
    /// # Errors
    /// `store.io` (an id used before is one), `store.full`.
    pub async fn begin_upload(&self, id: UploadId) -> Result<(), Error> {
        let (part, whole) = self.upload_files(id);
        blocking("begin an upload", move || {
            let io = Error::io("begin an upload");
            if whole.exists() {
                return Err(io(ErrorKind::AlreadyExists.into()));
            }
            OpenOptions::new().write(true).create_new(true).open(part).map(drop).map_err(io)
        })
        .await
    }

    /// Where an open upload stands, in bytes: the offset to continue from.
    ///
    /// # Errors
    /// `upload.unknown`, `store.io`.
    pub async fn upload_offset(&self, id: UploadId) -> Result<u64, Error> {
        let (part, _) = self.upload_files(id);
        blocking("look at an upload", move || fs::metadata(part).map(|m| m.len()).map_err(unknown(id))).await
    }

    /// Ends an upload: flushed, no longer growing, readable at `upload_path`. Returns its size in bytes.
    ///
    /// # Errors
    /// `upload.unknown`, `upload.busy`, `store.full`, `store.io`.
    pub async fn finish_upload(&self, id: UploadId) -> Result<u64, Error> {
        let (part, whole) = self.upload_files(id);
        let disk = self.disk().clone();
        blocking("finish an upload", move || {
            let io = Error::io("finish an upload");
            let file = lock(id, &part)?;
            file.sync_all().map_err(&io)?;
            let size = file.metadata().map_err(&io)?.len();
            fs::rename(&part, whole).map_err(&io)?;
            disk.sync_above(&id.object()).map_err(&io)?;
            Ok(size)
        })
        .await
    }

    /// The file of a finished upload, to read from.
    ///
    /// # Errors
    /// `upload.unknown` if there is none, or it is not finished.
    pub async fn upload_path(&self, id: UploadId) -> Result<PathBuf, Error> {
        let (_, whole) = self.upload_files(id);
        blocking("look at an upload", move || fs::metadata(&whole).map(|_| whole).map_err(unknown(id))).await
    }

    /// Removes an upload, finished or not; one that is not there is removed already.
    ///
    /// # Errors
    /// `store.io`.
    pub async fn delete_upload(&self, id: UploadId) -> Result<(), Error> {
        self.disk().delete(&id.object()).await
    }

    /// Every upload, finished or not, in no order.
    ///
    /// # Errors
    /// `store.io`.
    pub async fn list_uploads(&self) -> Result<Vec<UploadEntry>, Error> {
        let found = self.disk().list("uploads").await?;
        Ok(found
            .into_iter()
            .map(|found| UploadEntry {
                id: UploadId(found.id),
                size: found.size,
                age: found.age,
                finished: found.finished,
            })
            .collect())
    }

    /// Where it grows, and where it is when finished.
    fn upload_files(&self, id: UploadId) -> (PathBuf, PathBuf) {
        let name = id.object();
        (self.disk().path(&format!("{name}{PART}")), self.disk().path(&name))
    }
}

/// The open upload's file, locked against every other writer on this machine, in any process. The lock goes with the
/// file.
fn lock(id: UploadId, part: &PathBuf) -> Result<File, Error> {
    let io = Error::io("open an upload");
    let file = OpenOptions::new().append(true).open(part).map_err(unknown(id))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(Error::UploadBusy(id)),
        Err(TryLockError::Error(error)) => return Err(io(error)),
    }
    // Finished or removed between opening and locking: the name no longer means this file.
    let (named, held) = (fs::metadata(part).map_err(unknown(id))?, file.metadata().map_err(io)?);
    if (named.dev(), named.ino()) == (held.dev(), held.ino()) {
        Ok(file)
    } else {
        Err(Error::UploadUnknown(id))
    }
}

fn unknown(id: UploadId) -> impl Fn(std::io::Error) -> Error {
    move |error| match error.kind() {
        ErrorKind::NotFound => Error::UploadUnknown(id),
        _ => Error::io("look at an upload")(error),
    }
}

async fn blocking<T: Send + 'static>(
    doing: &'static str,
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Error::io(doing)(std::io::Error::other(error)))?
}
