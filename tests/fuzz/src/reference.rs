//! References, places, digests and platforms: what people and registries write in one line.

use oci::digest::Digest;
use oci::manifest::Platform;
use oci::reference::{Reference, Target};

use super::assert_code;

/// What is taken is written so that it is taken again, and means the same.
pub fn reference(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (text, base) = text.split_once('\n').unwrap_or((text, "https://registry.example"));
    match text.parse::<Reference>() {
        Ok(reference) => {
            let again = reference.to_string();
            assert_eq!(again.parse::<Reference>().as_ref(), Ok(&reference), "{again}");
            match Target::of(&reference) {
                Ok(target) => assert_place(&target),
                Err(error) => assert_code(error.code()),
            }
        }
        Err(error) => assert_code(error.code()),
    }
    for target in [Target::docker_hub(text), Target::at(base, text)] {
        match target {
            Ok(target) => assert_place(&target),
            Err(error) => assert_code(error.code()),
        }
    }
    if let Ok(digest) = text.parse::<Digest>() {
        assert_eq!(digest.to_string(), text, "a digest has one spelling");
    }
    if let Ok(platform) = text.parse::<Platform>() {
        assert_eq!(platform.to_string().parse::<Platform>().as_ref(), Ok(&platform));
        assert!(platform.rank(&platform).is_some() || platform.is_unknown());
    }
}

/// A repository is a path below the registry, and no way out of it.
fn assert_place(target: &Target) {
    assert!(matches!(target.base().scheme(), "http" | "https"));
    let repository = target.repository();
    assert!(!repository.is_empty() && repository.split('/').all(|part| !matches!(part, "" | "." | "..")));
    assert!(!repository.contains(['?', '#', '%', '\\', ' ']), "{repository}");
}
