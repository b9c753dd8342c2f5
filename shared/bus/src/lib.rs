//! Streams, subjects at run time and acknowledgements; the only room that says async_nats.
