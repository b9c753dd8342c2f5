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
    /// A stable code.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// The layer at fault, counted from 0.
    pub fn layer(&self) -> u32 {
        self.layer
    }

    /// The entry of that layer, counted from 0.
    pub fn entry(&self) -> u32 {
        self.entry
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
    WhiteoutInPath,
    TooMany,
    TooLong,
    TooCostly,
    TooManyXattrs,
    TooMuchText,
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
            Self::WhiteoutInPath => {
                ("whiteout.in_path", "A symbolic link leads an entry below the name of a whiteout.")
            }
            Self::TooMany => (
                "layer.too_many_entries",
                "The image has more entries than allowed; directories without an entry count too.",
            ),
            Self::TooLong => ("path.too_long", "A path is too long or too deep once its links are followed."),
            Self::TooCostly => {
                ("path.too_many_links", "The image's paths lead through too many symbolic links to follow.")
            }
            Self::TooMuchText => (
                "layer.metadata_too_large",
                "The image's paths need more memory than allowed once links are followed.",
            ),
            Self::TooManyXattrs => {
                ("xattr.too_many", "A hardlink adds more extended attributes to its target than allowed.")
            }
        };
        let entry = u32::try_from(entry).unwrap_or(u32::MAX);
        TreeError { code, sentence, layer, entry, path: oci::path::show(path) }
    }
}
