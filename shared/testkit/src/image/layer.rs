//! A layer as a tiny language.

use tar::{Builder, EntryType, Header};

/// A layer being made.
#[derive(Debug, Default)]
pub struct Layer {
    tar: Vec<u8>,
}

/// All times in test images.
const TIME: u64 = 1_700_000_000;

impl Layer {
    fn add(
        mut self,
        path: &str,
        kind: EntryType,
        mode: u32,
        data: &[u8],
        link: &str,
        pax: &[(&str, &[u8])],
    ) -> Self {
        let mut tar = Builder::new(&mut self.tar);
        if !pax.is_empty() {
            tar.append_pax_extensions(pax.iter().copied()).expect("memory");
        }
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(TIME);
        header.set_size(data.len() as u64);
        if !link.is_empty() {
            header.set_link_name_literal(link).expect("a short link");
        }
        header.set_path(path).expect("a short path");
        header.set_cksum();
        tar.append(&header, data).expect("memory");
        // The end of the archive is written once, by the image.
        std::mem::forget(tar);
        self
    }

    /// A directory, 0755.
    #[must_use]
    pub fn dir(self, path: &str) -> Self {
        self.add(path, EntryType::Directory, 0o755, b"", "", &[])
    }

    /// A file, 0644.
    #[must_use]
    pub fn file(self, path: &str, data: impl AsRef<[u8]>) -> Self {
        self.add(path, EntryType::Regular, 0o644, data.as_ref(), "", &[])
    }

    /// A file with a mode.
    #[must_use]
    pub fn program(self, path: &str, mode: u32, data: impl AsRef<[u8]>) -> Self {
        self.add(path, EntryType::Regular, mode, data.as_ref(), "", &[])
    }

    /// A file with an extended attribute.
    #[must_use]
    pub fn xattr(self, path: &str, name: &str, value: &[u8]) -> Self {
        let key = format!("SCHILY.xattr.{name}");
        self.add(path, EntryType::Regular, 0o755, b"with an attribute", "", &[(&key, value)])
    }

    /// A hardlink.
    #[must_use]
    pub fn link(self, path: &str, target: &str) -> Self {
        self.add(path, EntryType::Link, 0o644, b"", target, &[])
    }

    /// A hardlink with a mode.
    #[must_use]
    pub fn program_link(self, path: &str, target: &str, mode: u32) -> Self {
        self.add(path, EntryType::Link, mode, b"", target, &[])
    }

    /// A symbolic link.
    #[must_use]
    pub fn symlink(self, path: &str, target: &str) -> Self {
        self.add(path, EntryType::Symlink, 0o777, b"", target, &[])
    }

    /// A named pipe.
    #[must_use]
    pub fn fifo(self, path: &str) -> Self {
        self.add(path, EntryType::Fifo, 0o644, b"", "", &[])
    }

    /// A character device.
    #[must_use]
    pub fn device(mut self, path: &str, major: u32, minor: u32) -> Self {
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::Char);
        header.set_mode(0o600);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(TIME);
        header.set_size(0);
        header.set_device_major(major).expect("a ustar header has devices");
        header.set_device_minor(minor).expect("a ustar header has devices");
        header.set_path(path).expect("a short path");
        header.set_cksum();
        self.tar.extend_from_slice(header.as_bytes());
        self
    }

    /// Deletes a path of the layers below.
    #[must_use]
    pub fn whiteout(self, path: &str) -> Self {
        let marked = match path.rsplit_once('/') {
            Some((dir, name)) => format!("{dir}/.wh.{name}"),
            None => format!(".wh.{path}"),
        };
        self.file(&marked, "")
    }

    /// Hides the children of a directory in the layers below.
    #[must_use]
    pub fn opaque(self, dir: &str) -> Self {
        self.file(&format!("{dir}/.wh..wh..opq"), "")
    }

    /// The bytes of the tar, with its end.
    pub fn bytes(mut self) -> Vec<u8> {
        self.tar.extend_from_slice(&[0; 1024]);
        self.tar
    }
}
