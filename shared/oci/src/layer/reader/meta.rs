//! What is kept about an entry besides its content.

use super::LayerReader;
use crate::layer::fields::Before;
use crate::layer::header::Header;
use crate::layer::pax::{self, Pax};
use crate::layer::{Kind, LayerError, Meta, Time, Xattrs, xattr_bytes};

/// Times further than this from 1970 are clamped: no file system keeps them.
const FAR: i64 = 1 << 34;

/// The longest name of an extended attribute that Linux takes (`XATTR_NAME_MAX`).
const NAME: usize = 255;

impl LayerReader {
    pub(super) fn meta(
        &mut self,
        header: &Header,
        before: &Before,
        path: &[u8],
        kind: &Kind,
    ) -> Result<Meta, LayerError> {
        let number = |from, length| header.number(from, length);
        let id = |from| {
            let id = number(from, 8).and_then(|id| u64::try_from(id).ok()).and_then(pax::owner);
            id.ok_or_else(pax::id_range)
        };
        let mode =
            number(100, 8).ok_or_else(|| LayerError::new("tar.mode", "An entry's mode is not a number."))?;
        let mut mtime = match before.pax.time("mtime")? {
            Some(time) => time,
            None => {
                let seconds = number(136, 12)
                    .ok_or_else(|| LayerError::new("tar.mtime", "An entry's time is not a number."))?;
                let far = if seconds < 0 { i64::MIN } else { i64::MAX };
                Time { seconds: i64::try_from(seconds).unwrap_or(far), nanos: 0 }
            }
        };
        if mtime.seconds.unsigned_abs() > FAR.unsigned_abs() {
            self.warn("its time is too far from now, and was moved", path);
            mtime = Time { seconds: mtime.seconds.clamp(-FAR, FAR), nanos: 0 };
        }
        Ok(Meta {
            mode: u32::try_from(mode & 0o7777).unwrap_or(0),
            uid: before.pax.id("uid")?.map_or_else(|| id(108), Ok)?,
            gid: before.pax.id("gid")?.map_or_else(|| id(116), Ok)?,
            mtime,
            xattrs: self.xattrs(&before.pax, path, kind)?,
        })
    }

    fn xattrs(&mut self, pax: &Pax, path: &[u8], kind: &Kind) -> Result<Xattrs, LayerError> {
        let mut kept = Vec::new();
        let (most, largest) = (self.budget.limits().xattrs, self.budget.limits().xattr);
        for (name, value) in pax.xattrs() {
            if name.is_empty() || name.len() > NAME {
                return Err(LayerError::new(
                    "xattr.name_invalid",
                    "The name of an extended attribute is empty or longer than 255 bytes.",
                ));
            }
            if value.len() > largest {
                return Err(LayerError::new(
                    "xattr.too_large",
                    "An extended attribute is larger than allowed.",
                ));
            }
            // Meant for the file system that the image was made on, not for the one it will run on.
            let foreign = name.starts_with(b"trusted.overlay.")
                || name.starts_with(b"user.overlay.")
                || name == b"security.selinux"
                || (name.starts_with(b"user.")
                    && !matches!(kind, Kind::File(_) | Kind::Dir | Kind::Hardlink(_)));
            if foreign {
                self.warn(&format!("the extended attribute `{}` is dropped", crate::path::show(name)), path);
                continue;
            }
            kept.push((name.to_vec(), value.to_vec()));
            if kept.len() > most {
                return Err(LayerError::new(
                    "xattr.too_many",
                    "An entry has more extended attributes than allowed.",
                ));
            }
        }
        if xattr_bytes(&kept) > self.budget.limits().xattr_bytes {
            return Err(LayerError::new(
                "xattr.too_large",
                "The extended attributes of an entry are together larger than allowed.",
            ));
        }
        Ok(kept)
    }
    /// Counts names and attributes that are kept in memory.
    pub(super) fn hold(&mut self, bytes: usize) -> Result<(), LayerError> {
        if self.budget.text(bytes as u64) {
            return Ok(());
        }
        Err(LayerError::new(
            "layer.metadata_too_large",
            "The image's names, links and extended attributes need more memory than allowed.",
        ))
    }
}
