//! What ends a build.

/// Why a build, or what comes before it, ended: a stable code, one sentence for the user, and whether another try may help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{sentence}")]
pub struct BuildError {
    code: &'static str,
    sentence: String,
    permanent: bool,
}

impl BuildError {
    /// One that trying again does not mend.
    pub fn permanent(code: &'static str, sentence: impl Into<String>) -> Self {
        Self { code, sentence: sentence.into(), permanent: true }
    }

    /// One that may pass.
    pub fn transient(code: &'static str, sentence: impl Into<String>) -> Self {
        Self { code, sentence: sentence.into(), permanent: false }
    }

    /// The stable code.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// Whether trying again is of no use.
    pub fn is_permanent(&self) -> bool {
        self.permanent
    }
}
