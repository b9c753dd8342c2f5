//! Nothing here: the stories are in `stories/`.
