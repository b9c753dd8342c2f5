//! What reading needs of a pack on disk.

use super::Disk;
use crate::{chunk::Located, error::Error, pack::PackId};
use std::{
    fs::File,
    io::{self, ErrorKind},
    os::unix::fs::FileExt,
};

impl Disk {
    /// A finished pack, opened, and its size in bytes.
    pub(crate) fn open_pack(&self, id: PackId) -> Result<(File, u64), Error> {
        let open = || {
            let file = File::open(self.path(&id.object()))?;
            let size = file.metadata()?.len();
            Ok((file, size))
        };
        open().map_err(|error| missing(id, error))
    }

    /// Fills `out` with the compressed bytes of a chunk.
    pub(crate) fn read_chunk(&self, chunk: &Located, out: &mut Vec<u8>) -> Result<(), Error> {
        self.read_span(chunk.pack, chunk.offset, chunk.length, out)
    }

    /// Fills `out` with some bytes of a pack.
    pub(crate) fn read_span(
        &self,
        pack: PackId,
        offset: u64,
        length: u32,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let file = File::open(self.path(&pack.object())).map_err(|error| missing(pack, error))?;
        out.resize(length as usize, 0);
        file.read_exact_at(out, offset).map_err(|error| missing(pack, error))
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
