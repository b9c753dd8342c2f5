use std::io::Read;

use super::*;

const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

#[test]
fn well_formed_digests_keep_their_text() {
    let long = format!("sha512:{}", "0a".repeat(64));
    for text in [EMPTY, &long] {
        assert_eq!(text.parse::<Digest>().unwrap().to_string(), text);
    }
}

#[test]
fn anything_else_is_refused() {
    let upper = EMPTY.to_uppercase().replace("SHA256", "sha256");
    let short = EMPTY.strip_suffix('5').unwrap();
    let sha1 = format!("sha1:{}", "a".repeat(40));
    let md5 = format!("md5:{}", "a".repeat(32));
    let longer = format!("{EMPTY}0");
    let swapped = format!("sha512:{}", "a".repeat(64));
    for text in ["sha256:../../x", "sha256:", "", "sha256", &upper, short, &sha1, &md5, &longer, &swapped] {
        let error = text.parse::<Digest>().unwrap_err();
        assert_eq!(error.code(), "digest.invalid", "{text}");
    }
}

#[test]
fn an_error_never_carries_terminal_codes() {
    let error = "sha256:\u{1b}[31m\n".parse::<Digest>().unwrap_err().to_string();
    assert!(!error.contains(['\u{1b}', '\n']), "{error:?}");
}

#[test]
fn of_is_the_known_value() {
    assert_eq!(Digest::of(b"").to_string(), EMPTY);
    assert_eq!(Digest::of_with(Algorithm::Sha512, b"abc").hex().get(..16), Some("ddaf35a193617aba"));
    assert_eq!(Digest::from_sha256(Digest::of(b"x").sha256().unwrap()), Digest::of(b"x"));
    assert_eq!(Digest::of_with(Algorithm::Sha512, b"abc").sha256(), None);
}

fn read(content: &[u8], expected: &[u8], size: u64) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    match VerifyingReader::new(content, Digest::of(expected), size).read_to_end(&mut out) {
        Ok(_) => Ok(out),
        Err(e) => Err(e.get_ref().unwrap().downcast_ref::<Mismatch>().unwrap().code().into()),
    }
}

#[test]
fn a_reader_holds_content_to_digest_and_size() {
    assert_eq!(read(b"layer", b"layer", 5).unwrap(), b"layer");
    assert_eq!(read(b"", b"", 0).unwrap(), b"");
    assert_eq!(read(b"later", b"layer", 5).unwrap_err(), "digest.mismatch");
    assert_eq!(read(b"layer", b"layer", 6).unwrap_err(), "descriptor.size");
    assert_eq!(read(b"layer", b"layer", 4).unwrap_err(), "descriptor.size");
}
