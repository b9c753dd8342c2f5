use super::*;

const D: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

#[test]
fn references_are_read_as_docker_reads_them() {
    let pinned = format!("ghcr.io/a/b@{D}");
    let both = format!("reg.example:5000/a/b:v1@{D}");
    for (text, registry, repository, tag, digest) in [
        ("nginx", "docker.io", "library/nginx", Some("latest"), None),
        ("nginx:1.29", "docker.io", "library/nginx", Some("1.29"), None),
        ("bitnami/redis", "docker.io", "bitnami/redis", Some("latest"), None),
        ("docker.io/nginx", "docker.io", "library/nginx", Some("latest"), None),
        ("index.docker.io/a/b", "docker.io", "a/b", Some("latest"), None),
        ("localhost/a", "localhost", "a", Some("latest"), None),
        ("GHCR.io/a/b:X", "ghcr.io", "a/b", Some("X"), None),
        ("Docker.io/nginx:1", "docker.io", "library/nginx", Some("1"), None),
        ("INDEX.docker.io/a", "docker.io", "library/a", Some("latest"), None),
        ("host:5000/a/b:tag", "host:5000", "a/b", Some("tag"), None),
        (&pinned, "ghcr.io", "a/b", None, Some(D)),
        (&both, "reg.example:5000", "a/b", Some("v1"), Some(D)),
    ] {
        let r: Reference = text.parse().unwrap();
        assert_eq!((r.registry(), r.repository(), r.tag()), (registry, repository, tag), "{text}");
        assert_eq!(r.digest().map(ToString::to_string).as_deref(), digest, "{text}");
    }
}

#[test]
fn a_digest_beside_a_tag_decides() {
    let r: Reference = format!("a/b:v1@{D}").parse().unwrap();
    assert_eq!(r.wanted(), TagOrDigest::Digest(D.parse().unwrap()));
}

#[test]
fn malformed_references_are_refused() {
    let upper = D.to_uppercase().replace("SHA256", "sha256");
    for (text, code) in [
        ("", "reference.invalid"),
        (":tag", "reference.invalid"),
        ("Nginx", "reference.invalid"),
        ("UPPER/case", "reference.invalid"),
        ("a//b", "reference.invalid"),
        ("../../etc/passwd", "reference.invalid"),
        ("a b", "reference.invalid"),
        ("http://host/a", "reference.invalid"),
        ("a:", "reference.invalid"),
        ("a@sha256:abc", "reference.invalid"),
        (&format!("a@{upper}"), "digest.invalid"),
        (&format!("a:{}", "t".repeat(129)), "reference.invalid"),
        (&"a".repeat(2000), "reference.invalid"),
    ] {
        assert_eq!(text.parse::<Reference>().unwrap_err().code(), code, "{text}");
    }
}

#[test]
fn targets_lead_to_their_registry() {
    for (reference, base) in [
        ("nginx", "https://registry-1.docker.io/"),
        ("ghcr.io/a/b", "https://ghcr.io/"),
        ("localhost:5000/a", "http://localhost:5000/"),
        ("127.0.0.9:5000/a", "http://127.0.0.9:5000/"),
        ("10.0.0.1:5000/a", "https://10.0.0.1:5000/"),
    ] {
        assert_eq!(Target::of(&reference.parse().unwrap()).unwrap().base().as_str(), base);
    }
}

#[test]
fn a_target_at_a_url_is_never_taken_for_docker_hub() {
    for (url, target, base, repository) in [
        ("http://127.0.0.1:5000", "app", "http://127.0.0.1:5000/", "app"),
        ("http://127.0.0.1:5000/", "127.0.0.1:5000/team/app:1", "http://127.0.0.1:5000/", "team/app"),
        ("https://nexus.example/repository/hosted", "app", "https://nexus.example/repository/hosted/", "app"),
        ("https://reg.example/v2/", "other.example/app", "https://reg.example/", "other.example/app"),
        ("http://[::1]:5000", "app", "http://[::1]:5000/", "app"),
    ] {
        let t = Target::at(url, target).unwrap();
        assert_eq!((t.base().as_str(), t.repository()), (base, repository));
    }
}

#[test]
fn a_target_is_shown_as_people_write_it() {
    assert_eq!(Target::at("http://127.0.0.1:5000", "app").unwrap().to_string(), "127.0.0.1:5000/app:latest");
    assert_eq!(Target::docker_hub("nginx").unwrap().to_string(), "docker.io/library/nginx:latest");
}

#[test]
fn urls_that_are_no_registry_are_refused_without_repeating_secrets() {
    for url in
        ["file:///etc/passwd", "reg.example", "https://u:hunter2@reg.example", "https://r.example/?a=b", ""]
    {
        let error = Target::at(url, "app").unwrap_err();
        assert_eq!(error.code(), "reference.invalid");
        assert!(!error.to_string().contains("hunter2"));
    }
    assert_eq!(Target::docker_hub("ghcr.io/a/b").unwrap_err().code(), "reference.invalid");
    assert_eq!(Target::at("https://r.example", "").unwrap_err().code(), "reference.invalid");
}
