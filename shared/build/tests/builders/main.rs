//! What every builder must do: one suite, run with each of them.

mod bench;
mod buildah;
mod suite;
