//! 110 to 112: answers that are well formed and not what was asked for.

use testkit::image::multi_platform;

use super::*;

const PAGE: &str = "<!DOCTYPE html><html><title>Log in</title><body>Please accept our terms.</body></html>";

#[test]
fn n110_a_login_page() {
    let page = || Answer::new(200, PAGE).header("content-type", "text/html; charset=utf-8");
    let registry = lying(shelf(), move |seen| match variant(seen) {
        0 => Some(page()),
        1 if seen.path.contains("/portal") => Some(page()),
        1 => Some(Answer::redirect(302, "/portal?next=/v2/n1/")),
        2 => {
            Some(Answer::new(200, PAGE).header("content-type", "application/vnd.oci.image.manifest.v1+json"))
        }
        3 if seen.path.contains("/blobs/") => Some(page()),
        4 if seen.path.starts_with("/token") => Some(page()),
        4 => {
            let realm = format!("http://{}/token/n4/", seen.header("host").unwrap());
            Some(Answer::challenge(&format!("Bearer realm=\"{realm}\"")))
        }
        _ => None,
    });
    let case = Case::start();
    for number in 0..3 {
        let image = case.refuses_from(&format!("{}/n{number}/x:1", registry.host()), &[], "manifest.invalid");
        let told = image["state"]["error"]["message"].as_str().unwrap();
        assert!(told.contains("web page") && told.contains("login"), "{told}");
    }
    case.refuses_from(&format!("{}/n3/x:1", registry.host()), &[], "descriptor.size");
    case.refuses_from(&format!("{}/n4/x:1", registry.host()), &[], "registry.error");
    case.nothing_is_left();
}

#[test]
fn n111_a_tag_that_moves() {
    let old = Shelf::new().image("1", &Image::new().layer(|l| l.file("old", "1")));
    let new = Shelf::new().image("1", &Image::new().layer(|l| l.file("new", "1")));
    let (first, second) = (old.clone(), new.clone());
    // HEAD sees the old image, and so does the first GET; from then on the tag is the new one.
    let registry = Standin::start(move |seen| {
        let tagged = seen.path.ends_with("/manifests/1");
        let digest_of_old = seen.path.rsplit('/').next().is_some_and(|name| name == first.pinned("1"));
        let honest = if tagged && seen.before > 0 { &second } else { &first };
        match honest.answer(seen) {
            _ if !tagged && !digest_of_old && seen.path.contains("/manifests/") => second.answer(seen),
            answer => answer,
        }
    });
    let case = Case::start();
    let image = case.live_from(&format!("{}/demo/x:1", registry.host()), &[]);
    assert_eq!(image["source_digest"], old.pinned("1"));
    assert_eq!(case.served(&image).keys().collect::<Vec<_>>(), [b"old"]);
    assert_eq!(registry.asked("/manifests/1"), 1, "the tag is asked for once");
    assert_eq!(registry.asked(old.pinned("1")), 0, "and what came is what is imported");
    // Moved between HEAD and GET: nobody trusts a HEAD.
    let (first, second) = (old.clone(), new.clone());
    let registry = Standin::start(move |seen| match seen.method == "HEAD" {
        true => first.answer(seen),
        false => second.answer(seen),
    });
    let image = case.live_from(&format!("{}/demo/x:1", registry.host()), &[]);
    assert_eq!(image["source_digest"], new.pinned("1"));
}

#[test]
fn n112_images_for_other_platforms() {
    let other = |os: &str, architecture: &str| small().platform(os, architecture);
    let (here, there) = if cfg!(target_arch = "aarch64") { ("arm64", "amd64") } else { ("amd64", "arm64") };
    let shelf = Shelf::new()
        .image("one", &other("linux", there))
        .layout("two", &multi_platform(&[other("linux", there), other("windows", here)]));
    let mut lies = Shelf::new().layout("lies", &multi_platform(&[other("linux", there)]));
    let mut index = lies.manifest("lies");
    index["manifests"][0]["platform"]["architecture"] = here.into();
    let text = index.to_string();
    lies.document("lies", "application/vnd.oci.image.index.v1+json", text);
    let registry = Standin::start(move |seen| match seen.path.contains("/lies/") {
        true => lies.answer(seen),
        false => shelf.answer(seen),
    });
    let case = Case::start();
    for (name, listed) in
        [("demo/x:one", vec![there]), ("demo/x:two", vec![there, "windows/"]), ("lies/x:lies", vec![there])]
    {
        let image = case.refuses_from(&format!("{}/{name}", registry.host()), &[], "platform.missing");
        let told = image["state"]["error"]["message"].as_str().unwrap();
        assert!(told.contains(&format!("no image for linux/{here}")), "{told}");
        assert!(listed.iter().all(|word| told.contains(word)), "{told} should list {listed:?}");
    }
    case.nothing_is_left();
}
