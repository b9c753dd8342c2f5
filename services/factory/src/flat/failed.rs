//! What ends an attempt while layers are read and written, as the user is told.

use std::io;

use chassis::Halt;
use model::Failure;
use oci::digest::Mismatch;
use oci::layer::LayerError;
use oci::registry::RegistryError;
use oci::source::{Layer, SourceError};

use crate::input::name;

pub(crate) fn thread_ended() -> Halt {
    Failure::transient("internal.thread", "A thread of the factory ended.").into()
}

/// A layer's error; where its bytes could not be had, the registry's or archive's own.
pub(super) fn layer_failed(layer: &Layer, place: usize, error: &LayerError) -> Halt {
    let told =
        |sentence: &dyn std::fmt::Display| format!("Layer {} ({}): {sentence}", place + 1, name(layer));
    if let Some(input) = error.input_error() {
        if let Some(error) = RegistryError::within(input) {
            return Halt::failed(chassis::registry::failure(error), error);
        }
        let inner = input.get_ref();
        if let Some(error) = inner.and_then(|e| e.downcast_ref::<store::Error>()) {
            return store_failed(error);
        }
        let source = inner
            .and_then(|e| e.downcast_ref::<SourceError>())
            .map(|e| (e.code(), e.is_permanent(), e.to_string()));
        let bytes = inner.and_then(|e| e.downcast_ref::<Mismatch>()).map(|e| (e.code(), true, e.to_string()));
        if let Some((code, permanent, sentence)) = source.or(bytes) {
            return Halt::failed(Failure::new(code, told(&sentence), !permanent), error);
        }
    }
    let transient = !error.is_permanent() || error.code() == "factory.disk";
    Halt::failed(Failure::new(error.code(), told(error), transient), error)
}

pub(super) fn store_failed(error: &store::Error) -> Halt {
    let failure = Failure::new(error.code(), format!("{error}."), !error.is_permanent());
    Halt::failed(failure, error)
}

pub(super) fn emit_failed(error: &io::Error) -> Halt {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<store::Error>()) {
        Some(error) => store_failed(error),
        None => Halt::failed(
            Failure::transient("factory.disk", "The factory's disk cannot be read or written."),
            error,
        ),
    }
}
