//! What can go wrong with stored bytes, in the words a user sees and the codes a caller matches.

use crate::upload::UploadId;
use std::io;

/// A failure of the store. `Display` is one sentence for the user; the cause stays in `source`.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No space, or a file system quota is reached. Worth trying again once something was reclaimed.
    #[error("the store is full; free space or raise its limit, then try again")]
    Full(#[source] io::Error),
    /// Bytes that the index promises are missing or not what they were.
    #[error("stored bytes are damaged: {0}")]
    Damaged(String),
    /// The disk or the object store refused.
    #[error("the store could not {doing}")]
    Io {
        /// What was attempted, to follow "could not".
        doing: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The chunk index did not answer.
    #[error("the chunk index could not be asked")]
    Index(#[source] anyhow::Error),
    /// The content handed to the store could not be read to its end; the cause is the producer's own.
    #[error("the content to store could not be read")]
    Content(#[source] io::Error),
    /// A call on an intake that has already failed; the first failure was returned then.
    #[error("the intake stopped after an earlier failure")]
    Stopped,
    /// A setting that cannot work.
    #[error("the store cannot work with this setting: {0}")]
    Setting(String),
    /// There is no open upload of this id: never begun, finished, or removed.
    #[error("there is no open upload {0}")]
    UploadUnknown(UploadId),
    /// Another request is writing this upload now.
    #[error("another request is writing upload {0}; try again when it has ended")]
    UploadBusy(UploadId),
    /// The bytes sent do not continue where the upload stands.
    #[error("the upload stands at byte {expected}, not at {given}; continue from there")]
    UploadOffset {
        /// Where the upload stands, in bytes.
        expected: u64,
        /// Where the client wanted to continue, in bytes.
        given: u64,
    },
    /// More bytes than allowed.
    #[error("the upload is larger than the {limit} bytes allowed")]
    UploadTooLarge {
        /// The largest size allowed, in bytes.
        limit: u64,
    },
}

impl Error {
    /// A stable code for logs, answers and tests.
    pub fn code(&self) -> &'static str {
        match self {
            Error::Full(_) => "store.full",
            Error::Damaged(_) => "store.damaged",
            Error::Io { .. } => "store.io",
            Error::Index(_) => "store.index",
            Error::Content(_) => "store.content",
            Error::Stopped => "store.stopped",
            Error::Setting(_) => "store.setting",
            Error::UploadUnknown(_) => "upload.unknown",
            Error::UploadBusy(_) => "upload.busy",
            Error::UploadOffset { .. } => "upload.offset",
            Error::UploadTooLarge { .. } => "upload.too_large",
        }
    }

    /// The same once more, for every thread that a failure ends.
    pub(crate) fn again(&self) -> Error {
        let copy = |source: &io::Error| io::Error::new(source.kind(), source.to_string());
        match self {
            Error::Full(source) => Error::Full(copy(source)),
            Error::Damaged(what) => Error::Damaged(what.clone()),
            Error::Io { doing, source } => Error::Io { doing, source: copy(source) },
            Error::Index(source) => Error::Index(anyhow::anyhow!("{source:#}")),
            Error::Content(source) => Error::Content(copy(source)),
            Error::Setting(what) => Error::Setting(what.clone()),
            _ => Error::Stopped,
        }
    }

    /// Whether the same call would fail the same way for ever. Content that could not be read counts as
    /// temporary here: its producer knows better, and finds its own error as the cause.
    pub fn is_permanent(&self) -> bool {
        match self {
            Error::Damaged(_)
            | Error::Setting(_)
            | Error::UploadUnknown(_)
            | Error::UploadOffset { .. }
            | Error::UploadTooLarge { .. } => true,
            Error::Full(_)
            | Error::Io { .. }
            | Error::Index(_)
            | Error::Content(_)
            | Error::Stopped
            | Error::UploadBusy(_) => false,
        }
    }

    /// Sorts a system error: "no space" and "over quota" are `Full`, the rest is `Io`.
    pub(crate) fn io(doing: &'static str) -> impl Fn(io::Error) -> Error {
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Error::Full(source),
            _ => Error::Io { doing, source },
        }
    }

    /// The same for an error of `object_store`, whose chain keeps the system's own. It only lists, looks up and
    /// deletes here, so a full disk is not among them.
    pub(crate) fn object(doing: &'static str) -> impl Fn(object_store::Error) -> Error {
        move |error| Error::io(doing)(io::Error::other(error))
    }
}

/// For code that speaks `io`, such as a tar writer: content errors come out as they went in, so that the
/// producer of the content recognises its own; every other error is kept whole inside the `io::Error`.
impl From<Error> for io::Error {
    fn from(error: Error) -> io::Error {
        match error {
            Error::Content(source) => source,
            other => io::Error::other(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_space_is_told_apart_and_is_worth_another_try() {
        for kind in [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded] {
            let error = Error::io("write a pack")(kind.into());
            assert_eq!((error.code(), error.is_permanent()), ("store.full", false));
        }
        let error = Error::io("write a pack")(io::ErrorKind::PermissionDenied.into());
        assert_eq!(error.code(), "store.io");
        assert_eq!(error.to_string(), "the store could not write a pack");
    }

    #[test]
    fn a_content_error_passes_through_unchanged() {
        let inner = io::Error::new(io::ErrorKind::InvalidData, "tar.truncated");
        let back = io::Error::from(Error::Content(inner));
        assert_eq!((back.kind(), back.to_string().as_str()), (io::ErrorKind::InvalidData, "tar.truncated"));
    }
}
