//! For tests only: an image builder language, real servers on free ports, tree snapshots.
