//! log.image.>: kept build logs.
