//! How the command ends: 0 done, 1 failed, 2 usage, 3 not found, 4 not allowed, 5 timed out, 130 interrupted.

use std::process::ExitCode;

use model::api::ApiError;

/// An end with an exit code of its own.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fail {
    /// What was asked for was done, and failed: the code and sentence are the image's, or those of a verification.
    #[error("{code}: {message}")]
    Failed {
        /// A stable code.
        code: String,
        /// One sentence.
        message: String,
    },
    /// The arguments make no sense together.
    #[error("{0}")]
    Usage(String),
    /// There is no such thing.
    #[error("{0}")]
    NotFound(String),
    /// It took too long.
    #[error("{0}")]
    TimedOut(String),
    /// Somebody pressed Ctrl-C.
    #[error("{0}")]
    Interrupted(String),
}

/// Says what went wrong, on standard error, and chooses the exit code.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    // A reader that has seen enough (`platen images | head`) is no failure.
    if error.chain().any(|e| {
        e.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe)
    }) {
        return ExitCode::SUCCESS;
    }
    let refusal = error.chain().find_map(|e| e.downcast_ref::<ApiError>());
    match refusal {
        Some(refusal) => eprintln!("platen: {}: {}", refusal.code, refusal.detail),
        None => eprintln!("platen: {error:#}"),
    }
    let fail = error.chain().find_map(|e| e.downcast_ref::<Fail>());
    ExitCode::from(match (fail, refusal.map(|r| r.status)) {
        (Some(Fail::Usage(_)), _) => 2,
        (Some(Fail::NotFound(_)), _) | (_, Some(404)) => 3,
        (_, Some(401 | 403)) => 4,
        (Some(Fail::TimedOut(_)), _) => 5,
        (Some(Fail::Interrupted(_)), _) => 130,
        _ => 1,
    })
}
