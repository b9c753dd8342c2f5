//! What reading needs of a pack on disk.

use super::Disk;
use crate::{chunk::Located, error::Error, pack::PackId};
use std::{
    fs::{self, File},
    io::{self, ErrorKind},
    os::unix::fs::FileExt,
};

impl Disk {
    /// The size of a finished pack in bytes.
    pub(crate) fn pack_size(&self, id: PackId) -> Result<u64, Error> {
        match fs::metadata(self.path(&id.object())) {
            Ok(metadata) => Ok(metadata.len()),
            Err(error) => Err(missing(id, error)),
        }
    }

    /// Fills `out` with the compressed bytes of a chunk.
    pub(crate) fn read_chunk(&self, chunk: &Located, out: &mut Vec<u8>) -> Result<(), Error> {
        let file = File::open(self.path(&chunk.pack.object())).map_err(|error| missing(chunk.pack, error))?;
        out.resize(chunk.length as usize, 0);
        file.read_exact_at(out, chunk.offset).map_err(|error| missing(chunk.pack, error))
    }
}

/// A pack that is not there, or ends too early, was promised by the index: damage, not an error of the disk.
fn missing(id: PackId, error: io::Error) -> Error {
    match error.kind() {
        ErrorKind::NotFound => Error::Damaged(format!("pack {id} is missing")),
        // The system refuses offsets beyond what a file can have.
        ErrorKind::UnexpectedEof | ErrorKind::InvalidInput => {
            Error::Damaged(format!("pack {id} is shorter than the chunks it should hold"))
        }
        _ => Error::io("read a pack")(error),
    }
}
