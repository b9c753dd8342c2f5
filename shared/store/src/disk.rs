//! One directory, and the two ways it is used: names through `object_store`, bytes through files.

mod packs;

use crate::error::Error;
use futures::TryStreamExt;
use object_store::{ObjectStore, ObjectStoreExt, local::LocalFileSystem, path::Path as Name};
use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};
use uuid::Uuid;

/// What the name of an unfinished object ends with. `list` shows it, so a crash leaves nothing unseen.
pub(crate) const PART: &str = ".part";

/// A handle on the store's directory; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Disk {
    root: Arc<Path>,
    objects: Arc<LocalFileSystem>,
}

/// An object whose name is an id.
pub(crate) struct Found {
    pub(crate) id: Uuid,
    pub(crate) size: u64,
    pub(crate) age: Duration,
    pub(crate) finished: bool,
}

impl Disk {
    /// Creates the directory and its rooms if need be.
    pub(crate) fn open(root: &Path) -> Result<Disk, Error> {
        let io = Error::io("open its directory");
        for room in ["packs", "uploads"] {
            fs::create_dir_all(root.join(room)).map_err(&io)?;
        }
        let root = root.canonicalize().map_err(&io)?;
        sync_directory(&root).map_err(&io)?;
        let objects = LocalFileSystem::new_with_prefix(&root).map_err(Error::object("open its directory"))?;
        Ok(Disk { root: root.into(), objects: Arc::new(objects.with_fsync(true)) })
    }

    /// Where an object's file is.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Makes the directory an object lies in. `sync_above` makes it durable.
    pub(crate) fn make_parent(&self, name: &str) -> io::Result<()> {
        self.path(name).parent().map_or(Ok(()), fs::create_dir_all)
    }

    /// Makes a rename durable, and every directory on the way: whoever made one may not have come to flushing it.
    pub(crate) fn sync_above(&self, name: &str) -> io::Result<()> {
        let path = self.path(name);
        path.ancestors()
            .skip(1)
            .take_while(|directory| **directory != *self.root)
            .try_for_each(sync_directory)
    }

    /// Everything below `prefix` whose name is an id, finished or not.
    pub(crate) async fn list(&self, prefix: &str) -> Result<Vec<Found>, Error> {
        let now = SystemTime::now();
        let found = self.objects.list(Some(&Name::from(prefix))).try_filter_map(|meta| async move {
            let name = meta.location.filename().unwrap_or_default();
            let (id, finished) = match name.strip_suffix(PART) {
                Some(id) => (id, false),
                None => (name, true),
            };
            let written = SystemTime::from(meta.last_modified);
            Ok(id.parse().ok().map(|id| Found {
                id,
                size: meta.size,
                age: now.duration_since(written).unwrap_or_default(),
                finished,
            }))
        });
        found.try_collect().await.map_err(Error::object("list what it holds"))
    }

    pub(crate) async fn exists(&self, name: &str) -> Result<bool, Error> {
        match self.objects.head(&Name::from(name)).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(Error::object("look for an object")(error)),
        }
    }

    /// Removes an object and its unfinished form. Not flushed: what a crash brings back is swept again.
    pub(crate) async fn delete(&self, name: &str) -> Result<(), Error> {
        for name in [format!("{name}{PART}"), name.to_owned()] {
            match self.objects.delete(&Name::from(name)).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(Error::object("delete an object")(error)),
            }
        }
        Ok(())
    }
}

fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}
