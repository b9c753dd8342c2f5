//! What git's last words mean.

use std::os::unix::process::ExitStatusExt;

use super::guard;
use super::run::{Ended, too_large};
use crate::BuildError;

/// Why a command failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// The server gives no commit by its id.
    Unadvertised,
    /// Anything else.
    Told(BuildError),
}

impl From<BuildError> for Failure {
    fn from(error: BuildError) -> Self {
        Self::Told(error)
    }
}

impl Failure {
    pub(super) fn error(self) -> BuildError {
        match self {
            Self::Told(error) => error,
            Self::Unadvertised => missing("The git server has no such commit."),
        }
    }
}

pub(super) fn missing(sentence: &str) -> BuildError {
    BuildError::permanent("git.ref_missing", sentence)
}

/// Words, and what they say.
type Meaning = (&'static [&'static str], fn() -> Failure);

/// The first that fits is what happened: from the words that can mean only one thing to those that are said whenever
/// something fails. They are said by git, curl and ssh in English, as `LC_ALL` wants.
const MEANINGS: [Meaning; 11] = [
    (&["allow request for unadvertised object"], || Failure::Unadvertised),
    (&["not our ref", "couldn't find remote ref", "mismatched algorithms"], || {
        missing("The git server has no such commit.").into()
    }),
    (&["Host key verification failed", "host key is known by the other name"], || {
        permanent("git.host_key", "The ssh server shows another key than the known hosts of the source say.")
    }),
    (
        &[
            "Authentication failed",
            "could not read Username",
            "could not read Password",
            "returned error: 401",
            "returned error: 403",
            "Permission denied (",
            "Too many authentication failures",
        ],
        || permanent("git.unauthorized", "The git server does not take the credentials, or asks for some."),
    ),
    (
        &[
            "repository not found",
            "not found in upstream",
            "does not appear to be a git repository",
            "access denied or repository not exported",
            "' not found",
            "returned error: 404",
            "is this a git repository?",
            "returned error: 30",
            "unable to update url base from redirection",
            "not a git repository",
            "dumb http transport does not support",
        ],
        || permanent("git.not_found", "There is no git repository at this URL."),
    ),
    (&["SSL certificate", "server certificate verification failed"], || {
        permanent("git.tls", "The certificate of the git server is not trusted.")
    }),
    (&["transport '", "not supported or disabled in libcurl"], || {
        permanent("ssrf.blocked", "The git server leads to another protocol, which is not followed.")
    }),
    (&["died of signal 25", "Out of memory", "out of memory", "File too large", "mmap failed"], || {
        too_large().into()
    }),
    (&["No space left on device", "Disk quota exceeded"], || {
        BuildError::transient("git.disk", "The factory has no room for the repository.").into()
    }),
    (
        &[
            "Could not resolve",
            "Connection ",
            "Couldn't connect",
            "Failed to connect",
            "timed out",
            "unable to connect",
            "unreachable",
            "No route to host",
            "SOCKS5",
            "early EOF",
            "hung up",
            "RPC failed",
            "returned error: 5",
            "returned error: 429",
            "Empty reply",
            "transfer closed",
            "kex_exchange_identification",
            "Operation too slow",
            "gnutls_handshake() failed",
            "unexpected disconnect",
        ],
        || guard::unreachable().into(),
    ),
    (
        &[
            "fsck error",
            "error in object",
            "invalid path",
            "bad object",
            "fatal: pack",
            "index-pack",
            "corrupt",
            "File name too long",
        ],
        invalid,
    ),
];

/// Signals, by their numbers on Linux.
const ABORT: i32 = 6;
const SEGMENT: i32 = 11;
const FILE_SIZE: i32 = 25;

fn invalid() -> Failure {
    permanent("git.invalid", "The repository has contents that git holds for broken or dangerous.")
}

fn permanent(code: &'static str, sentence: &str) -> Failure {
    BuildError::permanent(code, sentence).into()
}

/// Why it failed.
pub(super) fn judge(ended: &Ended) -> Failure {
    match ended.status.signal() {
        Some(FILE_SIZE) => return too_large().into(),
        // It was fed what it cannot stand.
        Some(ABORT | SEGMENT) => return invalid(),
        _ => {}
    }
    // What the server says about itself is in the log, and is no evidence.
    let said: Vec<&str> =
        ended.said.iter().map(String::as_str).filter(|line| !line.starts_with("remote:")).collect();
    let fits = |words: &[&str]| said.iter().any(|line| words.iter().any(|word| has(line, word)));
    if let Some((_, meaning)) = MEANINGS.iter().find(|(words, _)| fits(words)) {
        return meaning();
    }
    tracing::warn!(status = %ended.status, said = said.join(" | "), "git failed for a reason that is not known");
    BuildError::transient("git.failed", "git failed; its last words are in the log of the build.").into()
}

fn has(line: &str, word: &str) -> bool {
    line.contains(word) || line.to_ascii_lowercase().contains(word)
}
