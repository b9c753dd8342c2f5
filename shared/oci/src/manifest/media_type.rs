//! Media types: the names of the formats, and what each means here.

/// An OCI image manifest.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// An OCI image index.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// An OCI image config.
pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// An OCI layer without compression.
pub const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
/// A Docker schema 2 manifest.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// A Docker manifest list.
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// A Docker image config.
pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";

const DOCKER_SCHEMA1: [&str; 2] = [
    "application/vnd.docker.distribution.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
];

/// What to say in `Accept` when asking for a manifest: all that is understood, the more telling first.
pub const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
                          application/vnd.docker.distribution.manifest.list.v2+json, \
                          application/vnd.docker.distribution.manifest.v2+json";

/// What kind of document a media type announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DocumentKind {
    /// An image manifest.
    Manifest,
    /// An index or manifest list.
    Index,
    /// Docker's first format, which is not read.
    Schema1,
    /// Says nothing about images: `application/json`, `text/plain`, none.
    Unknown,
}

/// What kind of document a media type announces.
pub fn document(media_type: &str) -> DocumentKind {
    match media_type {
        OCI_MANIFEST | DOCKER_MANIFEST => DocumentKind::Manifest,
        OCI_INDEX | DOCKER_LIST => DocumentKind::Index,
        other if DOCKER_SCHEMA1.contains(&other) => DocumentKind::Schema1,
        _ => DocumentKind::Unknown,
    }
}

/// What a layer's media type means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerKind {
    /// A tar that can be read.
    Tar,
    /// A tar its makers wanted fetched from elsewhere; it is only ever taken from the registry itself.
    Foreign,
    /// Encrypted for somebody else.
    Encrypted,
    /// A tar, compressed in a way that is not read (xz, bzip2).
    Compression,
    /// Not a layer.
    Other,
}

/// What a layer's media type means (image-spec layer.md; Docker's image manifest v2 schema 2).
pub fn layer(media_type: &str) -> LayerKind {
    const TAR: [(&str, bool); 4] = [
        (OCI_LAYER, false),
        ("application/vnd.docker.image.rootfs.diff.tar", false),
        ("application/vnd.oci.image.layer.nondistributable.v1.tar", true),
        ("application/vnd.docker.image.rootfs.foreign.diff.tar", true),
    ];
    let known = TAR.iter().find_map(|(name, foreign)| Some((media_type.strip_prefix(name)?, *foreign)));
    match known {
        Some((rest, _)) if rest.ends_with("+encrypted") => LayerKind::Encrypted,
        Some(("" | "+gzip" | ".gzip" | "+zstd" | ".zstd", false)) => LayerKind::Tar,
        Some(("" | "+gzip" | ".gzip" | "+zstd" | ".zstd", true)) => LayerKind::Foreign,
        Some(_) => LayerKind::Compression,
        None => LayerKind::Other,
    }
}

/// A media type without its parameters, in lower case: what a `Content-Type` header says.
pub fn bare(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}
