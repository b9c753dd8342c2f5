//! image.import.requested: fetch, flatten, store.
