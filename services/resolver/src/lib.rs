//! image.created: pins the target, then asks for the import.
