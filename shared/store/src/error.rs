//! What can go wrong with the store.

use std::io;

/// The result of something asked of the store.
pub type Result<T> = std::result::Result<T, StoreError>;

/// Why the store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No room is left.
    #[error("The store's disk is full.")]
    Full(#[source] io::Error),
    /// Bytes that should be there are not, or are others.
    #[error("The store is damaged: {0}.")]
    Damaged(String),
    /// Reading or writing failed.
    #[error("The store failed: {what}.")]
    Io {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        #[source]
        cause: io::Error,
    },
    /// The index of chunks failed.
    #[error("The index of the store is not reachable.")]
    Index(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// More was uploaded than may be.
    #[error("The archive is larger than {0} bytes.")]
    TooLarge(u64),
    /// An upload goes on at another place than it stopped.
    #[error("The upload goes on at offset {0}.")]
    Offset(u64),
}

impl StoreError {
    /// A stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Full(_) => "store.full",
            Self::Damaged(_) => "store.damaged",
            Self::Io { .. } => "store.io",
            Self::Index(_) => "store.index",
            Self::TooLarge(_) => "upload.too_large",
            Self::Offset(_) => "upload.offset",
        }
    }

    /// Would trying again later do nothing else?
    pub fn is_permanent(&self) -> bool {
        matches!(self, Self::Damaged(_) | Self::TooLarge(_) | Self::Offset(_))
    }

    /// For `map_err`: says what was tried.
    pub fn io(what: &'static str) -> impl Fn(io::Error) -> Self {
        move |cause| match cause.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full(cause),
            _ => Self::Io { what, cause },
        }
    }
}

impl From<object_store::Error> for StoreError {
    fn from(error: object_store::Error) -> Self {
        // The operating system's error is somewhere in the chain.
        let mut source: Option<&(dyn std::error::Error + 'static)> = Some(&error);
        while let Some(cause) = source {
            if let Some(io) = cause.downcast_ref::<io::Error>() {
                return Self::io("an object could not be written or removed")(io::Error::new(io.kind(), error));
            }
            source = cause.source();
        }
        Self::Io { what: "an object could not be written or removed", cause: io::Error::other(error) }
    }
}
