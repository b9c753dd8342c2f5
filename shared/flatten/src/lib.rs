//! Many layers in, one layer out.
