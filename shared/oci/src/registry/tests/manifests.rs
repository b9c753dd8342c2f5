use super::*;
use crate::manifest::{Document, Platform};
use crate::reference::TagOrDigest;

fn tag() -> TagOrDigest {
    TagOrDigest::Tag("1".into())
}

fn linux(architecture: &str) -> Platform {
    Platform::new("linux", architecture, None)
}

#[tokio::test]
async fn what_is_asked_for_by_digest_is_what_comes() {
    let it = manifest(b"c", &[b"l"]);
    let digest = Digest::of(it.as_bytes());
    let stand = Stand::start({
        let it = it.clone();
        move |seen, _| {
            assert!(seen.header("accept").unwrap().contains(media_type::DOCKER_LIST));
            ok(it.clone())
        }
    })
    .await;
    let repository = stand.repository(None);
    let fetched = repository.manifest(&digest.clone().into()).await.unwrap();
    assert_eq!((fetched.digest.clone(), fetched.bytes.as_ref()), (digest.clone(), it.as_bytes()));
    assert!(matches!(fetched.document().unwrap(), Document::Manifest(_)));
    assert_eq!(repository.manifest(&tag()).await.unwrap().digest, digest);
    let other = repository.manifest(&Digest::of(b"other").into()).await.unwrap_err();
    assert_eq!((other.code(), other.is_permanent()), ("digest.mismatch", true));
    let long = Digest::of_with(crate::digest::Algorithm::Sha512, it.as_bytes());
    assert_eq!(repository.manifest(&long.clone().into()).await.unwrap().digest, long);
}

#[tokio::test]
async fn lies_and_nonsense_are_refused() {
    for (name, value, body, code) in [
        ("docker-content-digest", Digest::of(b"lie").to_string(), manifest(b"c", &[b"l"]), "digest.mismatch"),
        ("docker-content-digest", "sha256:../../x".into(), manifest(b"c", &[b"l"]), "digest.invalid"),
        ("content-type", "text/html".into(), "<html>Sign in</html>".into(), "manifest.invalid"),
        ("content-type", media_type::OCI_INDEX.into(), manifest(b"c", &[b"l"]), "manifest.ambiguous"),
        ("x", "y".into(), " ".repeat(5 << 20), "manifest.invalid"),
    ] {
        let stand = Stand::start(move |_, _| {
            Response::builder().header(name, &value).body(body.clone().into()).unwrap()
        })
        .await;
        let error = stand.repository(None).image(&tag(), &linux("amd64")).await.unwrap_err();
        assert_eq!((error.code(), error.is_permanent()), (code, true), "{error}");
    }
}

#[tokio::test]
async fn what_is_missing_is_named() {
    for (body, words) in [
        (r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"x"}]}"#, "no such tag"),
        (r#"{"errors":[{"code":"NAME_UNKNOWN"}]}"#, "no such repository"),
        ("<html>", "no such repository, tag or digest"),
    ] {
        let stand =
            Stand::start(move |_, _| Response::builder().status(404).body(body.into()).unwrap()).await;
        let error = stand.repository(None).manifest(&tag()).await.unwrap_err();
        assert_eq!((error.code(), error.is_permanent()), ("registry.not_found", true));
        let text = error.to_string();
        assert!(text.contains("team/app:1") && text.contains(words), "{text}");
    }
}

#[tokio::test]
async fn a_refusal_is_told_in_the_registrys_words_and_without_control_characters() {
    let body = "{\"errors\":[{\"code\":\"DENIED\",\"message\":\"pull limit of \\u001b[31mteam\"}]}";
    let stand = Stand::start(move |_, _| Response::builder().status(403).body(body.into()).unwrap()).await;
    let error = stand.repository(None).manifest(&tag()).await.unwrap_err();
    assert_eq!(error.code(), "registry.denied");
    assert!(error.to_string().contains("pull limit of"), "{error}");
    assert!(!error.to_string().contains('\u{1b}'));
}

/// A registry with an index of two platforms and an attestation.
async fn with_index() -> (Stand, Digest) {
    let configs = ["amd64", "arm64"].map(|a| config(a, &[b"l"]));
    let manifests = [0, 1].map(|n: usize| manifest(configs[n].as_bytes(), &[b"l"]));
    let entry = |body: &str, os: &str, architecture: &str| {
        json!({
            "mediaType": media_type::OCI_MANIFEST, "digest": Digest::of(body.as_bytes()), "size": body.len(),
            "platform": {"os": os, "architecture": architecture},
        })
    };
    let index = json!({
        "schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "manifests": [
            entry("attestation", "unknown", "unknown"),
            entry(&manifests[0], "linux", "amd64"),
            entry(&manifests[1], "linux", "arm64"),
        ],
    })
    .to_string();
    let digest = Digest::of(index.as_bytes());
    let bodies: Vec<String> = configs.into_iter().chain(manifests).chain([index.clone()]).collect();
    let stand = Stand::start(move |seen, _| {
        if seen.path.ends_with("/manifests/1") {
            return ok(index.clone());
        }
        let found = bodies.iter().find(|b| seen.path.ends_with(&Digest::of(b.as_bytes()).to_string()));
        found.map_or(status(404), |body| ok(body.clone()))
    })
    .await;
    (stand, digest)
}

#[tokio::test]
async fn the_image_for_a_platform_is_found_and_pinned() {
    let (stand, index) = with_index().await;
    let image = stand.repository(None).image(&tag(), &linux("arm64")).await.unwrap();
    assert_eq!(image.resolved, index);
    assert_eq!(image.config.platform, linux("arm64"));
    assert_eq!(image.manifest.layers.len(), 1);
    assert_eq!(image.skipped, [Digest::of(b"attestation")]);
    let missing = stand.repository(None).image(&tag(), &linux("s390x")).await.unwrap_err();
    assert_eq!(missing.code(), "platform.missing");
    assert!(missing.to_string().contains("linux/amd64, linux/arm64"), "{missing}");
}

#[tokio::test]
async fn a_single_image_for_another_platform_is_refused() {
    let config = config("arm64", &[b"l"]);
    let stand = Stand::start(move |seen, _| match seen.path.contains("/blobs/") {
        true => ok(config.clone()),
        false => ok(manifest(config.as_bytes(), &[b"l"])),
    })
    .await;
    let missing = stand.repository(None).image(&tag(), &linux("amd64")).await.unwrap_err();
    assert_eq!(missing.code(), "platform.missing");
    assert!(missing.to_string().contains("linux/arm64"), "{missing}");
}

#[tokio::test]
async fn a_config_with_another_number_of_layers_is_refused() {
    let config = config("amd64", &[b"l", b"m"]);
    let stand = Stand::start(move |seen, _| match seen.path.contains("/blobs/") {
        true => ok(config.clone()),
        false => ok(manifest(config.as_bytes(), &[b"l"])),
    })
    .await;
    assert_eq!(
        stand.repository(None).image(&tag(), &linux("amd64")).await.unwrap_err().code(),
        "config.mismatch"
    );
}
