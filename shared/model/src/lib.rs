//! Ids, states, sources, events and API bodies: everything Platen names or sends over a wire.
