//! Why a layer cannot be applied.

/// Why a layer cannot be applied, and which of its entries is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{sentence} (entry {entry}, `{path}`)")]
pub struct TreeError {
    code: &'static str,
    sentence: &'static str,
    layer: u32,
    entry: u32,
    path: String,
}

impl TreeError {
    /// The layer, the lowest being 0.
    pub fn layer(&self) -> u32 {
        self.layer
    }

    /// A stable code.
    pub fn code(&self) -> &'static str {
        self.code
    }
}

/// Why, before it is known where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    ParentNotDir,
    SymlinkLoop,
    TargetMissing,
    LinkToDir,
    RootType,
    TooLong,
    WhiteoutInPath,
    TooMany,
}

impl Why {
    pub(super) fn at(self, layer: u32, entry: usize, path: &[u8]) -> TreeError {
        let (code, sentence) = match self {
            Self::ParentNotDir => ("path.parent_not_dir", "A parent of an entry is not a directory."),
            Self::SymlinkLoop => ("path.symlink_loop", "A parent of an entry is a loop of symbolic links."),
            Self::TargetMissing => {
                ("hardlink.target_missing", "A hardlink's target is not there, or is itself.")
            }
            Self::LinkToDir => ("hardlink.to_dir", "A hardlink leads to a directory."),
            Self::RootType => ("path.root_type", "The root of a layer is not a directory."),
            Self::TooLong => ("path.too_long", "A path that links lead to is too long or too deep."),
            Self::WhiteoutInPath => {
                ("whiteout.in_path", "A symbolic link leads an entry below the name of a whiteout.")
            }
            Self::TooMany => ("layer.too_many_entries", "The image has more entries than can be counted."),
        };
        let entry = u32::try_from(entry).unwrap_or(u32::MAX);
        TreeError { code, sentence, layer, entry, path: oci::path::show(path) }
    }
}
