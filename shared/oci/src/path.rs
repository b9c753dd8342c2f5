//! (path)
