//! image.flattened: verify, make live; serves the OCI Distribution API.
