//! The entries of a layer, one after the other.

use std::io::Read;

use super::fields::{Before, c_text, device, link, name};
use super::header::{BLOCK, Header};
use super::sparse::{self, Map};
use super::stream::{Stream, too_large, truncated};
use super::{Ended, Entry, Kind, LayerError, Meta, decompress, xattr_bytes};
use crate::limits::Budget;
use crate::path::normal;
use crate::whiteout::{self, Name};

mod meta;

/// Warnings beyond this are only counted.
const WARNINGS: usize = 100;

/// Reads a layer.
pub struct LayerReader {
    stream: Stream,
    budget: Budget,
    entry: u64,
    /// Stored bytes of the entry in hand that were not read yet, and its padding.
    left: u64,
    padding: u64,
    map: Option<(Map, usize)>,
    at: u64,
    size: u64,
    ended: bool,
    warnings: Vec<String>,
    unsaid: u64,
}

impl LayerReader {
    /// Opens a layer's compressed bytes.
    ///
    /// # Errors
    /// When they cannot be read, or are compressed in a way that is not known.
    pub fn open<R: Read + Send + 'static>(input: R, budget: Budget) -> Result<Self, LayerError> {
        let source = decompress::open(input, budget.limits().zstd_window)?;
        Ok(Self::over(Stream::new(source, budget.clone()), budget))
    }

    /// Opens a piece of a plain tar that begins and ends with whole entries. It has no digest, and whatever its first bytes
    /// are, it is not compressed.
    pub fn piece<R: Read + Send + 'static>(plain: R, budget: Budget) -> Self {
        Self::over(Stream::unhashed(Box::new(plain), budget.clone()), budget)
    }

    fn over(stream: Stream, budget: Budget) -> Self {
        Self {
            stream,
            budget,
            entry: 0,
            left: 0,
            padding: 0,
            map: None,
            at: 0,
            size: 0,
            ended: false,
            warnings: Vec::new(),
            unsaid: 0,
        }
    }

    /// The next entry. The content of a file is read with [`LayerReader::read_content`] before the next call, or passed
    /// over.
    ///
    /// # Errors
    /// When the layer is damaged or holds something that is refused; the error tells where.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, LayerError> {
        let entry = self.entry;
        loop {
            if self.ended {
                return Ok(None);
            }
            match self.advance().map_err(|e| e.at(entry, &[]))? {
                Step::Entry(found) => {
                    self.entry += 1;
                    return Ok(Some(found));
                }
                Step::Dropped => {}
                Step::End => {
                    self.ended = true;
                    return Ok(None);
                }
            }
        }
    }

    /// Some bytes of the content of the file in hand; 0 at its end.
    ///
    /// # Errors
    /// When the layer is damaged.
    pub fn read_content(&mut self, into: &mut [u8]) -> Result<usize, LayerError> {
        let entry = self.entry.saturating_sub(1);
        self.content(into).map_err(|e| e.at(entry, &[]))
    }

    /// What is known at the end. Reads what stands after the last entry.
    ///
    /// # Errors
    /// When the layer is damaged.
    pub fn end(mut self) -> Result<Ended, LayerError> {
        while self.next_entry()?.is_some() {}
        Ok(Ended {
            diff_id: self.stream.digest(),
            plain: self.stream.count(),
            warnings: self.warnings,
            unsaid: self.unsaid,
        })
    }

    fn warn(&mut self, what: &str, path: &[u8]) {
        if self.warnings.len() < WARNINGS {
            self.warnings.push(format!("`{}`: {what}.", crate::path::show(path)));
        } else {
            self.unsaid += 1;
        }
    }

    fn content(&mut self, into: &mut [u8]) -> Result<usize, LayerError> {
        let whole = self.size - self.at;
        let most = usize::try_from(whole).unwrap_or(usize::MAX).min(into.len());
        let Some(into) = into.get_mut(..most).filter(|into| !into.is_empty()) else { return Ok(0) };
        let mut most = into.len();
        if let Some((map, next)) = &mut self.map {
            // Pieces that are empty, or were read, are passed over: there may be many.
            let ended = |piece: &&(u64, u64)| piece.0 + piece.1 <= self.at;
            while map.pieces.get(*next).as_ref().is_some_and(ended) {
                *next += 1;
            }
            let (offset, length) = map.pieces.get(*next).copied().unwrap_or((map.size, 0));
            if self.at < offset {
                let hole = usize::try_from(offset - self.at).unwrap_or(usize::MAX).min(most);
                into.get_mut(..hole).unwrap_or_default().fill(0);
                self.at += hole as u64;
                return Ok(hole);
            }
            most = usize::try_from(offset + length - self.at).unwrap_or(usize::MAX).min(most);
        }
        let read = self.stream.some(into.get_mut(..most).unwrap_or_default())?;
        if read == 0 {
            return Err(truncated());
        }
        self.at += read as u64;
        self.left -= read as u64;
        Ok(read)
    }

    /// Passes over what is left of the entry in hand.
    fn finish_entry(&mut self) -> Result<(), LayerError> {
        let (left, padding) = (std::mem::take(&mut self.left), std::mem::take(&mut self.padding));
        self.map = None;
        (self.at, self.size) = (0, 0);
        self.stream.skip(left)?;
        let mut block = [0; BLOCK];
        let zeros = block.get_mut(..usize::try_from(padding).unwrap_or(BLOCK)).unwrap_or_default();
        match self.stream.fill(zeros)? {
            // `umoci insert` ends an archive with its last content, as it stands: all of that is there.
            0 if padding > 0 => self.warn("the archive ends without padding its last entry", b""),
            read if read as u64 == padding => {}
            _ => return Err(truncated()),
        }
        Ok(())
    }

    fn advance(&mut self) -> Result<Step, LayerError> {
        // What is cut here is the entry before.
        let previous = self.entry.saturating_sub(1);
        self.finish_entry().map_err(|e| e.at(previous, &[]))?;
        let mut before = Before::default();
        loop {
            let Some(header) = self.header(&before)? else {
                if self.stream.drain()? {
                    self.warn("bytes after the end of the archive are ignored", b"");
                }
                return Ok(Step::End);
            };
            let size = header
                .number(124, 12)
                .and_then(|size| u64::try_from(size).ok())
                .filter(|s| *s <= i64::MAX as u64);
            let size = size.ok_or_else(|| {
                LayerError::new("tar.size", "An entry's size is not a number that can be one.")
            })?;
            if matches!(header.kind(), b'x' | b'L' | b'K') {
                before.one_more(size, self.budget.limits().pax)?;
            }
            match header.kind() {
                b'x' => before.pax.add(&self.block_of(size)?)?,
                b'g' => {
                    self.block_of(size)?;
                    self.warn("a global PAX header is ignored", b"");
                }
                b'L' => before.long_name = Some(c_text(self.block_of(size)?)),
                b'K' => before.long_link = Some(c_text(self.block_of(size)?)),
                _ => return self.entry(&header, size, &before),
            }
        }
    }

    /// The next header; none at the end.
    fn header(&mut self, before: &Before) -> Result<Option<Header>, LayerError> {
        let first = self.stream.count() == 0;
        let dangling = before.any();
        let mut block = [0; BLOCK];
        match self.stream.fill(&mut block)? {
            0 if dangling => return Err(truncated()),
            0 => return Ok(None),
            BLOCK => {}
            _ if first => return Err(LayerError::new("tar.invalid", "A layer is not a tar archive.")),
            _ => return Err(truncated()),
        }
        if block.iter().any(|b| *b != 0) {
            return Header::parse(block, first).map(Some);
        }
        if dangling {
            return Err(truncated());
        }
        // One block of zeros is half an end. What follows must not be an entry that another reader would see.
        let mut second = [0; BLOCK];
        let read = self.stream.fill(&mut second)?;
        if read == BLOCK && second.iter().any(|b| *b != 0) && Header::parse(second, false).is_ok() {
            let said = "Entries follow a block of zeros, where some readers stop.";
            return Err(LayerError::new("tar.trailing_entries", said));
        }
        if second.iter().any(|b| *b != 0) {
            self.warn("bytes after the end of the archive are ignored", b"");
        }
        Ok(None)
    }

    /// The whole data of an extension header, bounded.
    fn block_of(&mut self, size: u64) -> Result<Vec<u8>, LayerError> {
        if size > self.budget.limits().pax {
            return Err(LayerError::new("tar.pax_malformed", "An extension header is too large."));
        }
        let mut data = vec![0; usize::try_from(size).unwrap_or(0)];
        self.stream.exact(&mut data)?;
        self.stream.skip(padding(size))?;
        Ok(data)
    }

    fn entry(&mut self, header: &Header, header_size: u64, before: &Before) -> Result<Step, LayerError> {
        if !self.budget.entry() {
            return Err(LayerError::new(
                "layer.too_many_entries",
                "The image's layers hold more entries than allowed.",
            ));
        }
        let mut raw = name(header, before)?;
        let mut stored = before.pax.number("size")?.unwrap_or(header_size);
        if !self.budget.has(stored) {
            return Err(too_large());
        }
        let type_flag = header.kind();
        let v7_dir = type_flag == 0 && raw.ends_with(b"/");
        if v7_dir && stored > 0 {
            return Err(LayerError::new("tar.dir_with_data", "A directory has data."));
        }
        let limits = self.budget.limits().clone();
        let map = if type_flag == b'S' {
            Some(sparse::gnu(header, &before.pax, stored, &mut self.stream, &limits)?)
        } else if matches!(type_flag, b'0' | 0 | b'7') && !v7_dir {
            // The map of PAX 1.0 is part of the data; it fills whole blocks, so what is left has the same padding.
            sparse::pax(&before.pax, &mut stored, &mut self.stream, &limits)?
        } else {
            None
        };
        if map.is_some()
            && let Some(real) = before.pax.get("GNU.sparse.name")
        {
            raw = real.to_vec();
        }
        // GNU tar gives a sparse file this name for readers that do not know of maps; it is no name of the image.
        if map.is_some() && raw.split(|b| *b == b'/').any(|part| part.starts_with(b"GNUSparseFile.")) {
            return Err(sparse::invalid().at(self.entry, &raw));
        }
        let size = map.as_ref().map_or(stored, |map| map.size);
        if map.is_some() && !self.budget.bytes(size.saturating_sub(stored)) {
            return Err(too_large());
        }
        self.left = stored;
        self.padding = padding(stored);
        self.size = size;
        self.map = map.map(|map| (map, 0));
        let path = normal(&raw, &limits).map_err(|e| e.at(self.entry, &raw))?;
        self.kind_of(header, before, &raw, path, v7_dir, stored)
    }

    fn kind_of(
        &mut self,
        header: &Header,
        before: &Before,
        raw: &[u8],
        path: Vec<u8>,
        v7_dir: bool,
        stored: u64,
    ) -> Result<Step, LayerError> {
        let here = self.entry;
        let refuse =
            |code: &'static str, sentence: &str| Err(LayerError::new(code, sentence).at(here, &path));
        let size = self.size;
        let kind = match header.kind() {
            _ if v7_dir => Kind::Dir,
            b'0' | 0 | b'7' | b'S' => Kind::File(size),
            b'1' => Kind::Hardlink(link(header, before)),
            b'2' => Kind::Symlink(link(header, before)),
            b'3' => device(header)
                .map(|(major, minor)| Kind::Char(major, minor))
                .map_err(|e| e.at(here, &path))?,
            b'4' => device(header)
                .map(|(major, minor)| Kind::Block(major, minor))
                .map_err(|e| e.at(here, &path))?,
            b'5' => Kind::Dir,
            b'6' => Kind::Fifo,
            other => {
                return refuse(
                    "tar.type",
                    &format!("An entry has the type `{}`, which is not known.", other.escape_ascii()),
                );
            }
        };
        let link = match &kind {
            Kind::Hardlink(target) | Kind::Symlink(target) => target.len(),
            _ => 0,
        };
        // A path is there twice: as it was written, and as it will be.
        self.hold(2 * path.len() + link).map_err(|e| e.at(here, &path))?;
        match whiteout::classify(&path).map_err(|e| e.at(here, &path))? {
            Name::Leftover => return Ok(Step::Dropped),
            Name::Whiteout(path) => {
                return Ok(Step::Entry(Entry { path, kind: Kind::Whiteout, meta: Meta::default() }));
            }
            Name::Opaque(path) => {
                return Ok(Step::Entry(Entry { path, kind: Kind::Opaque, meta: Meta::default() }));
            }
            Name::Plain => {}
        }
        let is_file = matches!(kind, Kind::File(_));
        if stored > 0 && !is_file {
            let code = if kind == Kind::Dir { "tar.dir_with_data" } else { "tar.link_with_data" };
            return refuse(code, "An entry that cannot have data has some.");
        }
        if path.is_empty() && (kind != Kind::Dir || raw.is_empty()) {
            return refuse("path.root_type", "The root of a layer is not a directory.");
        }
        if let Kind::Hardlink(target) | Kind::Symlink(target) = &kind {
            if target.len() > self.budget.limits().link {
                return refuse("path.too_long", "The target of a link is too long.");
            }
            if target.contains(&0) {
                return refuse("tar.pax_malformed", "The target of a link holds a NUL byte.");
            }
            if target.is_empty() {
                return refuse("tar.link_empty", "A link leads nowhere; no file system could hold it.");
            }
        }
        if kind == Kind::Char(0, 0) {
            self.warn(
                "a character device 0:0 is dropped, which overlay file systems take for a whiteout",
                &path,
            );
            return Ok(Step::Dropped);
        }
        let meta = self.meta(header, before, &path, &kind).map_err(|e| e.at(here, &path))?;
        self.hold(xattr_bytes(&meta.xattrs)).map_err(|e| e.at(here, &path))?;
        Ok(Step::Entry(Entry { path, kind, meta }))
    }
}

enum Step {
    Entry(Entry),
    Dropped,
    End,
}

fn padding(size: u64) -> u64 {
    size.next_multiple_of(BLOCK as u64) - size
}
