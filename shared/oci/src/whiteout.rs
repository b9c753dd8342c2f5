//! (whiteout)
