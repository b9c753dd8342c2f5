//! The pipeline language: what users chain together.
