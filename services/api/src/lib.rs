//! The HTTP door: /v1, uploads, log and event streams.
