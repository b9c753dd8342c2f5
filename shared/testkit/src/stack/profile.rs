//! What random stacks may hold. Tools cannot express everything; what they cannot, they are not asked.

/// Which parents have entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parents {
    /// Not all.
    Missing,
    /// All, in their layer or in one below; where the layer deletes anything, in their layer.
    Known,
    /// All, in the same layer.
    Here,
}

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
    /// Which parents have entries.
    pub parents: Parents,
    /// An entry for the root, and an opaque root.
    pub root: bool,
    /// Times before 1970.
    pub old_times: bool,
    /// Hardlinks to what a layer below has.
    pub links_below: bool,
    /// A path twice in a layer.
    pub twice: bool,
    /// A path that a layer both deletes and sets.
    pub again: bool,
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
        parents: Parents::Missing,
        root: true,
        old_times: true,
        links_below: true,
        twice: true,
        again: true,
        link_meta: true,
        xattrs: true,
    };

    /// What every tool can unpack: archives as builders write them.
    pub const TAME: Self = Self {
        odd: false,
        faults: false,
        parents: Parents::Known,
        twice: false,
        link_meta: false,
        ..Self::ANY
    };
}
