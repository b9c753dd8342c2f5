//! Chunks, packs and recipes: finding and keeping bytes.
