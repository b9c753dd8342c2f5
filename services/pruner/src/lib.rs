//! image.prune.requested and the clock to image.pruned; image.pruned to reclaim.
