//! What can go wrong on the bus: always passing, since the bus holds no truth.

/// The result of something asked of the bus.
pub type Result<T> = std::result::Result<T, BusError>;

/// The bus did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[error("the bus could not {what}")]
pub struct BusError {
    what: &'static str,
    #[source]
    cause: Box<dyn std::error::Error + Send + Sync>,
}

impl BusError {
    pub(crate) fn new<E: std::error::Error + Send + Sync + 'static>(
        what: &'static str,
    ) -> impl FnOnce(E) -> Self {
        move |cause| Self { what, cause: Box::new(cause) }
    }
}
