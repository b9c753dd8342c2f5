//! A layer index as it is kept between imports: compressed columns, checked when they are read again.
//!
//! What is kept was made here, but it may be damaged: whoever cannot read one reads the layer instead.

use std::io;

use oci::layer::{Meta, Time};

use super::{Content, Kept, LayerIndex, Place, Row, Span};

/// The version of the form, and of the rules by which layers are read: of another no use is made.
pub const INDEX_VERSION: i32 = 1;

/// The most that one takes when it is not compressed.
const MOST: usize = 1 << 30;

impl LayerIndex {
    /// The bytes to keep. `homes` tells for each file in which piece of a plan its content went and at which byte, and
    /// `key_of` the key of that; other files keep the place they had, if it lasts.
    ///
    /// # Errors
    /// When they cannot be compressed.
    pub fn encode(
        &self,
        homes: &[Option<(u32, u32)>],
        key_of: impl Fn(u32) -> Option<[u8; 32]>,
    ) -> io::Result<Vec<u8>> {
        let mut out = Out(Vec::with_capacity(self.text.len() + 48 * self.files.len() + 8 * self.rows.len()));
        out.raw(&self.diff_id);
        out.number(self.plain);
        out.number(self.unsaid);
        out.number(self.warnings.len() as u64);
        self.warnings.iter().for_each(|warning| out.text(warning.as_bytes()));
        out.number(self.metas.len() as u64);
        self.metas.iter().for_each(|meta| out.meta(meta));
        out.number(self.rows.len() as u64);
        let mut before = 0;
        for row in &self.rows {
            out.row(row, row.meta - before);
            before = row.meta;
        }
        out.text(&self.text);
        self.encode_files(&mut out, homes, key_of);
        zstd::bulk::compress(&out.0, 1)
    }

    fn encode_files(
        &self,
        out: &mut Out,
        homes: &[Option<(u32, u32)>],
        key_of: impl Fn(u32) -> Option<[u8; 32]>,
    ) {
        let mut keys = Vec::new();
        let mut last = None;
        let mut places = Vec::with_capacity(self.files.len());
        for (number, file) in self.files.iter().enumerate() {
            let home = homes.get(number).copied().flatten();
            let home = home.and_then(|(piece, at)| Some((key_of(piece)?, at)));
            let held = self.keys(file.place).map(|keys| (keys, file.place));
            places.push(match (home, held) {
                (Some((key, at)), _) => (1, one(&mut keys, &mut last, key), at),
                (None, Some((of, Place::Large(_, count)))) => {
                    keys.extend_from_slice(of);
                    (2, keys.len() - of.len(), count)
                }
                (None, Some(([key], Place::Batch(_, at)))) => (1, one(&mut keys, &mut last, *key), at),
                _ => (0, 0, 0),
            });
        }
        out.number(self.files.len() as u64);
        self.files.iter().for_each(|file| out.raw(&file.digest));
        for (file, (kind, chunk, at)) in self.files.iter().zip(places) {
            out.number(file.size);
            out.number(kind);
            if kind > 0 {
                out.number(chunk as u64);
                out.number(at.into());
            }
        }
        out.number(keys.len() as u64);
        keys.iter().for_each(|key| out.raw(key));
    }

    /// Reads what [`LayerIndex::encode`] made; `None` when that is not what the bytes are.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let size = zstd::zstd_safe::get_frame_content_size(bytes).ok()??;
        let size = usize::try_from(size).ok().filter(|size| *size <= MOST)?;
        let plain = zstd::bulk::decompress(bytes, size).ok()?;
        let mut from = From(&plain);
        let diff_id = from.digest()?;
        let (size, unsaid) = (from.number()?, from.number()?);
        let warnings = from.list(|from| String::from_utf8(from.text()?.to_vec()).ok())?;
        let metas = from.list(From::meta)?;
        let (mut text, mut meta) = (0, 0);
        let rows = from.list(|from| from.row(&mut text, &mut meta))?;
        let held = from.text()?.to_vec();
        let digests = from.list(From::digest)?;
        let mut files = Vec::with_capacity(digests.len());
        for digest in digests {
            files.push(Content { digest, size: from.number()?, place: from.place()? });
        }
        let keys = from.list(From::digest)?;
        let index = Self {
            diff_id,
            plain: size,
            warnings,
            unsaid,
            contents: None,
            keys,
            rows,
            files,
            metas,
            text: held,
        };
        (from.0.is_empty() && index.holds(text)).then_some(index)
    }

    /// Does every number stand for something?
    fn holds(&self, text: u32) -> bool {
        let row = |row: &Row| {
            let file = !matches!(row.kept, Kept::File(number) if number as usize >= self.files.len());
            file && (row.meta as usize) < self.metas.len()
        };
        let file = |file: &Content| file.place == Place::Nowhere || self.keys(file.place).is_some();
        self.text.len() == text as usize && self.rows.iter().all(row) && self.files.iter().all(file)
    }
}

/// The place of a key, which is often the one before.
fn one(keys: &mut Vec<[u8; 32]>, last: &mut Option<([u8; 32], usize)>, key: [u8; 32]) -> usize {
    match *last {
        Some((before, at)) if before == key => at,
        _ => {
            keys.push(key);
            *last = Some((key, keys.len() - 1));
            keys.len() - 1
        }
    }
}

struct Out(Vec<u8>);

impl Out {
    fn raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Seven bits a byte, the lowest first.
    fn number(&mut self, mut number: u64) {
        while number > 0x7f {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    fn text(&mut self, text: &[u8]) {
        self.number(text.len() as u64);
        self.raw(text);
    }

    fn meta(&mut self, meta: &Meta) {
        let Meta { mode, uid, gid, mtime, xattrs } = meta;
        [u64::from(*mode), (*uid).into(), (*gid).into()].iter().for_each(|n| self.number(*n));
        self.raw(&mtime.seconds.to_le_bytes());
        self.number(mtime.nanos.into());
        self.number(xattrs.len() as u64);
        for (name, value) in xattrs {
            self.text(name);
            self.text(value);
        }
    }

    /// Paths and targets stand one after the other in the text, so their lengths tell where.
    fn row(&mut self, row: &Row, meta: u32) {
        let (kind, numbers): (u64, [Option<u32>; 2]) = match row.kept {
            Kept::File(number) => (0, [Some(number), None]),
            Kept::Dir => (1, [None, None]),
            Kept::Symlink(target) => (2, [Some(target.length.into()), None]),
            Kept::Hardlink(target) => (3, [Some(target.length.into()), None]),
            Kept::Char(major, minor) => (4, [Some(major), Some(minor)]),
            Kept::Block(major, minor) => (5, [Some(major), Some(minor)]),
            Kept::Fifo => (6, [None, None]),
            Kept::Whiteout => (7, [None, None]),
            Kept::Opaque => (8, [None, None]),
        };
        self.number(kind);
        self.number(meta.into());
        self.number(row.path.length.into());
        numbers.into_iter().flatten().for_each(|number| self.number(number.into()));
    }
}

struct From<'a>(&'a [u8]);

impl<'a> From<'a> {
    fn raw(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn digest(&mut self) -> Option<[u8; 32]> {
        self.raw(32)?.try_into().ok()
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = *self.raw(1)?.first()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    fn small(&mut self) -> Option<u32> {
        u32::try_from(self.number()?).ok()
    }

    fn text(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        self.raw(length)
    }

    /// Every element takes a byte at least, so that no count asks for more memory than there are bytes.
    fn list<T>(&mut self, mut each: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = usize::try_from(self.number()?).ok().filter(|count| *count <= self.0.len())?;
        (0..count).map(|_| each(self)).collect()
    }

    fn meta(&mut self) -> Option<Meta> {
        let (mode, uid, gid) = (self.small()?, self.small()?, self.small()?);
        let seconds = i64::from_le_bytes(self.raw(8)?.try_into().ok()?);
        let mtime = Time { seconds, nanos: self.small()? };
        let xattrs = self.list(|from| Some((from.text()?.to_vec(), from.text()?.to_vec())))?;
        Some(Meta { mode, uid, gid, mtime, xattrs })
    }

    fn row(&mut self, text: &mut u32, meta: &mut u32) -> Option<Row> {
        let kind = self.number()?;
        *meta = meta.checked_add(self.small()?)?;
        let mut span = |length: u64| {
            let span = Span { at: *text, length: u16::try_from(length).ok()? };
            *text = text.checked_add(span.length.into())?;
            Some(span)
        };
        let path = span(self.number()?)?;
        let kept = match kind {
            0 => Kept::File(self.small()?),
            1 => Kept::Dir,
            2 => Kept::Symlink(span(self.number()?)?),
            3 => Kept::Hardlink(span(self.number()?)?),
            4 => Kept::Char(self.small()?, self.small()?),
            5 => Kept::Block(self.small()?, self.small()?),
            6 => Kept::Fifo,
            7 => Kept::Whiteout,
            8 => Kept::Opaque,
            _ => return None,
        };
        Some(Row { path, kept, meta: *meta })
    }

    fn place(&mut self) -> Option<Place> {
        Some(match self.number()? {
            0 => Place::Nowhere,
            1 => Place::Batch(self.small()?, self.small()?),
            2 => Place::Large(self.small()?, self.small()?),
            _ => return None,
        })
    }
}
