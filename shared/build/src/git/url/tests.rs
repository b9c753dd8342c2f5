use std::time::Duration;

use oci::registry::NetworkPolicy;

use super::*;

fn door(git_protocol: bool) -> GitDoor {
    let policy = NetworkPolicy::embedded();
    GitDoor { policy, git_protocol, patience: Duration::from_secs(1), max_bytes: 1 }
}

#[test]
fn the_forms_that_are_taken() {
    for (url, text) in [
        ("https://github.com/a/b.git", "https://github.com/a/b.git"),
        ("https://GitHub.com:443/a/../b", "https://github.com/b"),
        ("https://git.example:8443/a", "https://git.example:8443/a"),
        ("https://example.com/a%20b", "https://example.com/a%20b"),
        ("https://example.com/@scope/b", "https://example.com/@scope/b"),
        ("https://[2606:4700::1111]/a", "https://[2606:4700::1111]/a"),
        ("http://127.0.0.1:3000/a", "http://127.0.0.1:3000/a"),
        ("http://2130706433:3000/a", "http://127.0.0.1:3000/a"),
        ("http://localhost:3000/a", "http://localhost:3000/a"),
        ("ssh://git@example.com/a.git", "ssh://git@example.com/a.git"),
        ("ssh://example.com:2222/~me/a", "ssh://example.com:2222/~me/a"),
        ("ssh://git@[2606:4700::1111]:2222/a", "ssh://git@[2606:4700::1111]:2222/a"),
        ("git@github.com:a/b.git", "git@github.com:a/b.git"),
        ("git@github.com:/srv/b.git", "ssh://git@github.com/srv/b.git"),
        ("git@[::1]:b.git", "git@[::1]:b.git"),
        ("git://127.0.0.1/a", "git://127.0.0.1/a"),
    ] {
        assert_eq!(check_url(url, &door(true)).unwrap().to_string(), text);
    }
}

/// `hostile-inputs` 116.
#[test]
fn and_no_other() {
    for url in [
        "",
        "-oProxyCommand=sh",
        "--upload-pack=touch /tmp/x",
        "--upload-pack=x",
        "ext::sh -c touch% /tmp/x",
        "ext::sh",
        "fd::3",
        "file:///etc",
        "file://localhost/etc",
        "/etc",
        "./a",
        "../a",
        "a",
        "host:path",
        "C:\\a",
        "ftp://example.com/a",
        "git+ssh://example.com/a",
        "HTTPS+x://example.com/a",
        "https::https://example.com/a",
        "https://user:s3cret@example.com/a",
        "https://s3cret@example.com/a",
        "https://@example.com/a",
        "https://exa mple.com/a",
        "https://example.com/a\n",
        "https://example.com/a\u{a0}b",
        "https://example.com/a\tb",
        "https://example.com/%0aa",
        "https://example.com/%zz",
        "https://example.com/a?s3cret=1",
        "https://example.com/a#main:../..",
        "https://-oProxyCommand=x/a",
        "https://-host/a",
        "https:///a",
        "https:////user:s3cret@example.com/a",
        "https:user:s3cret@example.com/a",
        "https://example.com\\@127.0.0.1/a",
        "ssh://-oProxyCommand=sh/a",
        "ssh://-oProxyCommand=sh@host/a",
        "ssh://git:s3cret@host/a",
        "ssh://git@-host/a",
        "ssh://git@host:22x/a",
        "ssh://git@host:0/a",
        "ssh://git@host:/a",
        "ssh://git@host",
        "ssh://git@/a",
        "ssh://a@b@host/a",
        "ssh://git@host/%00",
        "ssh://git@host%0a/a",
        "ssh://$(x)@host/a",
        "-git@host:a",
        "git@-host:a",
        "git@host:-a",
        "git@host:",
        "git@host::a",
        "git@host",
        "git:s3cret@host:a",
        "git@ho'st;x:a",
        "git://user@127.0.0.1/a",
        &format!("https://example.com/{}", "a".repeat(3000)),
    ] {
        let error = check_url(url, &door(true)).expect_err(url);
        assert_eq!(error.code(), "git.url", "{url}");
        assert!(error.is_permanent() && !error.to_string().contains("s3cret"), "{error}");
    }
    assert_eq!(check_url("git://127.0.0.1/a", &door(false)).unwrap_err().code(), "git.url");
}

#[test]
fn written_addresses_are_held_to_the_policy() {
    for url in [
        "https://10.0.0.1/a",
        "https://169.254.169.254/latest",
        "https://[::ffff:169.254.169.254]/a",
        "https://0xa9fea9fe/a",
        "http://1.1.1.1/a",
        "ssh://git@192.168.0.1/a",
        "git@10.1.1.1:a",
        "git://1.1.1.1/a",
    ] {
        assert_eq!(check_url(url, &door(true)).expect_err(url).code(), "ssrf.blocked", "{url}");
    }
    let closed = GitDoor { policy: NetworkPolicy::default(), ..door(true) };
    assert_eq!(check_url("http://127.0.0.1:3000/a", &closed).unwrap_err().code(), "ssrf.blocked");
}

#[test]
fn submodules_are_found_beside_their_parent() {
    let join = |base: &str, url: &str| {
        let base = check_url(base, &door(true)).unwrap();
        base.join(url).map(|url| url.to_string()).map_err(|e| e.code())
    };
    for (base, url, joined) in [
        ("https://a.example/x/y.git", "../z.git", Ok("https://a.example/x/z.git")),
        ("https://a.example/x/y/", "../../z", Ok("https://a.example/z")),
        ("https://a.example/x", "./z", Ok("https://a.example/x/z")),
        ("https://a.example/x", "../../z", Err("git.url")),
        ("https://a.example/x", "https://b.example/z", Ok("https://b.example/z")),
        ("https://a.example/x", "file:///etc", Err("git.url")),
        ("https://a.example/x", "/etc", Err("git.url")),
        ("https://a.example/x", "-u", Err("git.url")),
        ("git@a.example:x/y.git", "../z.git", Ok("git@a.example:x/z.git")),
        ("git@a.example:y.git", "../z.git", Ok("git@a.example:z.git")),
        ("git@a.example:y.git", "../-z.git", Err("git.url")),
        ("ssh://g@a.example:2222/x/y.git", "../z.git", Ok("ssh://g@a.example:2222/x/z.git")),
    ] {
        assert_eq!(join(base, url), joined.map(str::to_owned), "{base} {url}");
    }
}
