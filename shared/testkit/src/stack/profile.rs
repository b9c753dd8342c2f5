//! What random stacks may hold. Tools cannot express everything; what they cannot, they are not asked.

/// What random stacks may hold.
#[derive(Debug, Clone, Copy)]
pub struct Profile {
    /// At most so many layers.
    pub layers: usize,
    /// Whiteouts and opaque directories.
    pub markers: bool,
    /// Whiteouts of odd types, AUFS leftovers, the device 0:0, times out of range, attributes of other file systems,
    /// names written in odd ways.
    pub odd: bool,
    /// Here and there something that must be refused.
    pub faults: bool,
    /// Names that are not UTF-8, or long, or with a newline.
    pub names: bool,
    /// Symbolic links as parents.
    pub through: bool,
    /// Directories without entries of their own.
    pub missing_parents: bool,
    /// A path twice in a layer.
    pub twice: bool,
    /// Hardlinks with a mode, owner, time or attributes other than their target's.
    pub link_meta: bool,
    /// Extended attributes.
    pub xattrs: bool,
}

impl Profile {
    /// Everything there is.
    pub const ANY: Self = Self {
        layers: 8,
        markers: true,
        odd: true,
        faults: true,
        names: true,
        through: true,
        missing_parents: true,
        twice: true,
        link_meta: true,
        xattrs: true,
    };
}
