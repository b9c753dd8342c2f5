//! Codecs: how a chunk is compressed, and contexts that are kept for the next one.

use std::{fmt, io, str::FromStr};
use zstd::zstd_safe::CParameter;

/// How a chunk is compressed. Frames and members may be concatenated to one valid stream
/// (RFC 8878 section 3, RFC 1952 section 2.2), which is what makes a blob of chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Codec {
    /// One zstd frame with its content size and checksum, without a dictionary.
    Zstd {
        /// 1 to 19.
        level: u8,
    },
    /// One gzip member whose header holds no time, no name and no operating system.
    Gzip {
        /// 1 to 12.
        level: u8,
    },
}

impl Codec {
    /// The media type suffix of a layer made of such chunks (image-spec, `layer.md`): `zstd` or `gzip`.
    pub fn suffix(&self) -> &'static str {
        match self {
            Codec::Zstd { .. } => "zstd",
            Codec::Gzip { .. } => "gzip",
        }
    }

    /// Two bytes for keys: 1 for zstd, 2 for gzip, then the level. Never changes.
    pub fn to_bytes(&self) -> [u8; 2] {
        match *self {
            Codec::Zstd { level } => [1, level],
            Codec::Gzip { level } => [2, level],
        }
    }

    /// The reverse of `to_bytes`; `None` for an unknown codec or a level out of range.
    pub fn from_bytes(bytes: [u8; 2]) -> Option<Codec> {
        let codec = match bytes {
            [1, level] => Codec::Zstd { level },
            [2, level] => Codec::Gzip { level },
            _ => return None,
        };
        codec.is_valid().then_some(codec)
    }

    pub(crate) fn is_valid(&self) -> bool {
        match *self {
            Codec::Zstd { level } => (1..=19).contains(&level),
            Codec::Gzip { level } => (1..=12).contains(&level),
        }
    }

    /// The most bytes a chunk of `plain` bytes can take.
    pub(crate) fn bound(&self, plain: usize) -> usize {
        match self {
            Codec::Zstd { .. } => zstd::zstd_safe::compress_bound(plain),
            // Stored deflate blocks cost 5 bytes for each 5000, and the member 18.
            Codec::Gzip { .. } => plain + plain / 512 + 1024,
        }
    }
}

impl Default for Codec {
    /// `zstd-3`: smaller than gzip's usual level and several times faster.
    fn default() -> Codec {
        Codec::Zstd { level: 3 }
    }
}

/// `zstd-3`, `gzip-6`: stable, for settings and records.
impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Codec::Zstd { level } | Codec::Gzip { level }) = self;
        write!(f, "{}-{level}", self.suffix())
    }
}

impl FromStr for Codec {
    type Err = crate::Error;

    fn from_str(text: &str) -> Result<Codec, crate::Error> {
        let codec = match text.split_once('-').map(|(name, level)| (name, level.parse())) {
            Some(("zstd", Ok(level))) => Some(Codec::Zstd { level }),
            Some(("gzip", Ok(level))) => Some(Codec::Gzip { level }),
            _ => None,
        };
        codec.filter(|c| c.is_valid() && c.to_string() == text).ok_or_else(|| {
            crate::Error::Setting(format!(
                "{text:?} is not a codec; use zstd-1 to zstd-19 or gzip-1 to gzip-12"
            ))
        })
    }
}

/// The contexts of one thread for compressing and decompressing, made once for each codec: one is a megabyte or more,
/// too much to allocate and fault in again for every chunk.
#[derive(Default)]
pub(crate) struct Engines {
    made: Vec<(Codec, Engine)>,
    out: Vec<u8>,
    unzstd: Option<zstd::bulk::Decompressor<'static>>,
    gunzip: Option<libdeflater::Decompressor>,
}

enum Engine {
    Zstd(zstd::bulk::Compressor<'static>),
    Gzip(libdeflater::Compressor),
}

impl Engines {
    /// The chunk of `plain`, until the next. The same input gives the same bytes on every thread.
    pub(crate) fn compress(&mut self, codec: Codec, plain: &[u8]) -> io::Result<&[u8]> {
        let at = self.engine(codec)?;
        let out = &mut self.out;
        match self.made.get_mut(at).map(|(_, engine)| engine) {
            None => return Err(io::Error::other("no such codec")),
            Some(Engine::Zstd(context)) => {
                out.clear();
                out.reserve(codec.bound(plain.len()));
                context.compress_to_buffer(plain, out)?;
            }
            Some(Engine::Gzip(context)) => {
                out.resize(context.gzip_compress_bound(plain.len()), 0);
                let length = context.gzip_compress(plain, out).map_err(io::Error::other)?;
                out.truncate(length);
            }
        }
        Ok(out)
    }

    /// Fills `out` with the plain bytes of a chunk, which are `plain` many. Its checksum is checked.
    pub(crate) fn decompress(
        &mut self,
        codec: Codec,
        chunk: &[u8],
        plain: usize,
        out: &mut Vec<u8>,
    ) -> io::Result<()> {
        out.clear();
        match codec {
            Codec::Zstd { .. } => {
                let context = match &mut self.unzstd {
                    Some(context) => context,
                    None => self.unzstd.insert(zstd::bulk::Decompressor::new()?),
                };
                out.reserve(plain);
                context.decompress_to_buffer(chunk, out)?;
            }
            Codec::Gzip { .. } => {
                let context = self.gunzip.get_or_insert_with(libdeflater::Decompressor::new);
                out.resize(plain, 0);
                let length = context.gzip_decompress(chunk, out).map_err(io::Error::other)?;
                out.truncate(length);
            }
        }
        let wrong = || io::Error::new(io::ErrorKind::InvalidData, "a chunk has not the length it should");
        if out.len() == plain { Ok(()) } else { Err(wrong()) }
    }

    /// The place of a codec's engine.
    fn engine(&mut self, codec: Codec) -> io::Result<usize> {
        if let Some(at) = self.made.iter().position(|(made, _)| *made == codec) {
            return Ok(at);
        }
        self.made.push((codec, Engine::new(codec)?));
        Ok(self.made.len() - 1)
    }
}

impl Engine {
    fn new(codec: Codec) -> io::Result<Engine> {
        Ok(match codec {
            Codec::Zstd { level } => {
                let mut context = zstd::bulk::Compressor::new(i32::from(level))?;
                // Four bytes a chunk, so that whoever decompresses notices a byte gone bad, and where.
                context.set_parameter(CParameter::ChecksumFlag(true))?;
                if level == 3 {
                    // Half the size the level has: a chunk is short, and what stays in the processor's cache beside the
                    // threads that inflate is an eighth faster, for 0.7 % more bytes.
                    context.set_parameter(CParameter::HashLog(16))?;
                    context.set_parameter(CParameter::ChainLog(15))?;
                }
                Engine::Zstd(context)
            }
            Codec::Gzip { level } => {
                let level = libdeflater::CompressionLvl::new(i32::from(level))
                    .map_err(|_| io::Error::other("gzip level out of range"))?;
                Engine::Gzip(libdeflater::Compressor::new(level))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_form_is_stable_and_strict() {
        for text in ["zstd-1", "zstd-3", "zstd-19", "gzip-1", "gzip-12"] {
            assert_eq!(text.parse::<Codec>().unwrap().to_string(), text);
        }
        for text in
            ["", "zstd", "zstd-", "zstd-0", "zstd-20", "gzip-13", "zstd-03", "zstd-+3", "lz4-1", "gzip-6 "]
        {
            assert_eq!(text.parse::<Codec>().unwrap_err().code(), "store.setting", "{text}");
        }
    }

    #[test]
    fn a_chunk_declares_its_content_and_nothing_of_its_maker() {
        let plain = b"the same bytes, again and again; ".repeat(4000);
        let mut engines = Engines::default();
        let out = engines.compress(Codec::default(), &plain).unwrap();
        assert_eq!(zstd::zstd_safe::get_frame_content_size(out).unwrap(), Some(plain.len() as u64));
        assert_eq!(zstd::zstd_safe::find_frame_compressed_size(out).unwrap(), out.len(), "one frame");
        let out = engines.compress(Codec::Gzip { level: 6 }, &plain).unwrap();
        assert_eq!(out[..8], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0], "no flags, no time");
        assert_eq!(out[9], 255, "no operating system");
    }

    #[test]
    fn a_byte_gone_bad_is_noticed_by_whoever_decompresses() {
        let mut noise = vec![0; 10_000];
        blake3::Hasher::new().finalize_xof().fill(&mut noise);
        let mut out = Engines::default().compress(Codec::default(), &noise).unwrap().to_vec();
        assert!(zstd::bulk::decompress(&out, 10_000).unwrap() == noise);
        // Noise is stored as it is: without a checksum any byte of it would do.
        out[5000] ^= 1;
        assert!(zstd::bulk::decompress(&out, 10_000).is_err());
    }

    #[test]
    fn what_does_not_compress_stays_within_the_bound() {
        let mut noise = vec![0; 300_001];
        blake3::Hasher::new().finalize_xof().fill(&mut noise);
        for codec in
            [Codec::default(), Codec::Zstd { level: 19 }, Codec::Gzip { level: 1 }, Codec::Gzip { level: 12 }]
        {
            for length in [0, 1, 4999, 300_001] {
                let mut engines = Engines::default();
                let out = engines.compress(codec, &noise[..length]).unwrap();
                assert!(out.len() <= codec.bound(length), "{codec} {length}");
            }
        }
    }
}
