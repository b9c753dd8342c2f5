//! (reference)
