//! The certificate: a digest of a file tree, computed from the layered model and again from the flat bytes.
//!
//! Canonical form: for every path in byte order, a record of the path; then for the first path of an inode its type,
//! mode, owner, group, time, extended attributes in the order of their names, and content digest and size, link
//! target or device; for any further path of an inode, the first one. Every variable part is preceded by its length.
//! The certificate is the BLAKE3 of all records.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::io::Read;

use oci::layer::{Entry, Kind, LayerError, LayerReader, Meta};
use oci::limits::{Budget, Limits};

use crate::index::Content;
use crate::tree::{Body, Id, Place, Tree};

/// A digest of a file tree: `blake3:<hex>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate(String);

impl fmt::Display for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Certificate {
    /// The certificate of an image for several platforms: of each platform's name and certificate, in the order of the
    /// names. That of one platform alone is its own.
    pub fn of_platforms<'a>(platforms: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut platforms: Vec<_> = platforms.into_iter().collect();
        if let [(_, only)] = platforms.as_slice() {
            return Self((*only).to_owned());
        }
        platforms.sort_unstable();
        let mut out = Writer::default();
        for (platform, certificate) in platforms {
            out.bytes(platform.as_bytes());
            out.bytes(certificate.as_bytes());
        }
        out.finish()
    }
}

enum Record<'a> {
    File { digest: [u8; 32], size: u64 },
    Kind(&'a Kind),
    Symlink(&'a [u8]),
    Dir,
}

#[derive(Default)]
struct Writer(blake3::Hasher);

impl Writer {
    fn bytes(&mut self, bytes: &[u8]) {
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    fn inode(&mut self, path: &[u8], record: &Record<'_>, meta: &Meta) {
        self.bytes(path);
        match record {
            Record::File { digest, size } => {
                self.bytes(b"file");
                self.bytes(digest);
                self.bytes(&size.to_le_bytes());
            }
            Record::Symlink(target) => {
                self.bytes(b"symlink");
                self.bytes(target);
            }
            Record::Dir => self.bytes(b"dir"),
            Record::Kind(Kind::Char(major, minor)) => self.bytes(format!("char {major} {minor}").as_bytes()),
            Record::Kind(Kind::Block(major, minor)) => {
                self.bytes(format!("block {major} {minor}").as_bytes())
            }
            Record::Kind(_) => self.bytes(b"fifo"),
        }
        let Meta { mode, uid, gid, mtime, xattrs } = meta;
        let fixed = format!("{mode:o} {uid} {gid} {} {}", mtime.seconds, mtime.nanos);
        self.bytes(fixed.as_bytes());
        self.bytes(&(xattrs.len() as u64).to_le_bytes());
        for (name, value) in xattrs {
            self.bytes(name);
            self.bytes(value);
        }
    }

    fn link(&mut self, path: &[u8], first: &[u8]) {
        self.bytes(path);
        self.bytes(b"link");
        self.bytes(first);
    }

    fn finish(self) -> Certificate {
        Certificate(format!("blake3:{}", self.0.finalize().to_hex()))
    }
}

/// The certificate of the model.
pub(crate) fn of_tree(tree: &Tree, names: &[(Place, Box<[u8]>, Id)]) -> Certificate {
    let mut sorted: Vec<(&[u8], Id)> = names.iter().map(|(_, path, id)| (&**path, *id)).collect();
    sorted.sort_unstable();
    let mut first: HashMap<Id, &[u8]> = HashMap::new();
    let mut out = Writer::default();
    for (path, id) in sorted {
        let Some(inode) = tree.inode(id) else { continue };
        let record = match &inode.body {
            Body::Dir { .. } => Record::Dir,
            Body::File { content: Content { digest, size, .. }, .. } => {
                Record::File { digest: *digest, size: *size }
            }
            Body::Symlink(target) => Record::Symlink(target),
            Body::Device(kind) => Record::Kind(kind),
        };
        match (first.get(&id), &inode.body) {
            (Some(first), body) if !matches!(body, Body::Dir { .. }) => out.link(path, first),
            _ => {
                first.insert(id, path);
                out.inode(path, &record, &inode.meta);
            }
        }
    }
    out.finish()
}

/// Reads a flat tar back, and computes its certificate. It shares the layer reader with the import, but nothing with
/// the model or the writer.
///
/// # Errors
/// When the tar is damaged, or is not flat: it has a path twice, a marker, or a link to what is not before it.
pub fn certify<R: Read + Send + 'static>(
    plain: R,
    limits: Limits,
) -> Result<(Certificate, [u8; 32]), LayerError> {
    let mut reader = LayerReader::open(plain, Budget::new(limits))?;
    let mut inodes: Vec<(Entry, [u8; 32])> = Vec::new();
    let mut paths: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
    let mut buffer = vec![0; 128 << 10];
    while let Some(entry) = reader.next_entry()? {
        let place = paths.len() as u64;
        let not_flat = |what| LayerError::new("verify.not_flat", what).at(place, &entry.path);
        let inode = match &entry.kind {
            Kind::Whiteout | Kind::Opaque => return Err(not_flat("The flat layer holds a whiteout.")),
            Kind::Hardlink(target) => {
                *paths.get(target).ok_or_else(|| not_flat("A hardlink stands before its target."))?
            }
            _ => inodes.len(),
        };
        if paths.insert(entry.path.clone(), inode).is_some() {
            return Err(not_flat("A path stands twice in the flat layer."));
        }
        if inode < inodes.len() {
            continue;
        }
        let mut hash = blake3::Hasher::new();
        if matches!(entry.kind, Kind::File(_)) {
            loop {
                let read = reader.read_content(&mut buffer)?;
                let Some(fresh) = buffer.get(..read).filter(|fresh| !fresh.is_empty()) else { break };
                hash.update(fresh);
            }
        }
        inodes.push((entry, hash.finalize().into()));
    }
    let ended = reader.end()?;
    let mut first: HashMap<usize, &[u8]> = HashMap::new();
    let mut out = Writer::default();
    for (path, inode) in &paths {
        let Some((entry, digest)) = inodes.get(*inode) else { continue };
        if let Some(first) = first.get(inode) {
            out.link(path, first);
            continue;
        }
        first.insert(*inode, path);
        let record = match &entry.kind {
            Kind::File(size) => Record::File { digest: *digest, size: *size },
            Kind::Symlink(target) => Record::Symlink(target),
            Kind::Dir => Record::Dir,
            kind => Record::Kind(kind),
        };
        out.inode(path, &record, &entry.meta);
    }
    Ok((out.finish(), ended.diff_id))
}
