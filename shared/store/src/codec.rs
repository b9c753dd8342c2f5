//! How chunks are compressed.

use std::fmt;
use std::io;

use libdeflater::{CompressionLvl, Compressor as Deflate};

/// A compression and its level. Part of a chunk's key: another level is another chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// One zstd frame a chunk (RFC 8878), with its content size and without a checksum.
    Zstd {
        /// 1 to 19.
        level: i32,
    },
    /// One gzip member a chunk (RFC 1952), without time or name.
    Gzip {
        /// 1 to 12.
        level: i32,
    },
}

impl Codec {
    /// The default zstd: smaller than gzip -6 and several times faster.
    pub const ZSTD: Self = Self::Zstd { level: 3 };
    /// The default gzip, for older clients.
    pub const GZIP: Self = Self::Gzip { level: 6 };

    /// The media type of an OCI layer compressed so (OCI image specification, "Image Layer Filesystem Changeset").
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Zstd { .. } => "application/vnd.oci.image.layer.v1.tar+zstd",
            Self::Gzip { .. } => "application/vnd.oci.image.layer.v1.tar+gzip",
        }
    }

    pub(crate) fn compressor(self) -> io::Result<Compressor> {
        Ok(match self {
            Self::Zstd { level } => Compressor::Zstd(zstd::bulk::Compressor::new(level)?),
            Self::Gzip { level } => {
                let level = CompressionLvl::new(level).map_err(|e| io::Error::other(format!("{e:?}")))?;
                Compressor::Gzip(Deflate::new(level))
            }
        })
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zstd { level } => write!(f, "zstd-{level}"),
            Self::Gzip { level } => write!(f, "gzip-{level}"),
        }
    }
}

/// A compressor of one thread; its tables are made once.
pub(crate) enum Compressor {
    Zstd(zstd::bulk::Compressor<'static>),
    Gzip(Deflate),
}

impl Compressor {
    /// Compresses a whole chunk.
    pub(crate) fn compress(&mut self, plain: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Self::Zstd(zstd) => zstd.compress(plain),
            Self::Gzip(gzip) => {
                let mut out = vec![0; gzip.gzip_compress_bound(plain.len())];
                let size = gzip.gzip_compress(plain, &mut out).map_err(|e| io::Error::other(e.to_string()))?;
                out.truncate(size);
                Ok(out)
            }
        }
    }
}
