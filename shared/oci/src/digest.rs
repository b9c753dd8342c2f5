//! (digest)
