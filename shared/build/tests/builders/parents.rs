//! Parents from registries: private ones, mirrors, and those that may not be reached.

use build::buildah::Buildah;
use build::parents::Mirror;
use build::{Builder, ParentLogin};
use oci::registry::{Client, NetworkPolicy};
use testkit::registry::LOGIN;
use testkit::{Image, Registry};

use crate::bench::{Bench, files};
use crate::buildah::{buildah, here};

async fn built(
    builder: &Builder,
    dockerfile: &str,
    args: &[(&str, &str)],
    logins: Vec<ParentLogin>,
) -> (Result<std::collections::BTreeMap<String, String>, String>, String) {
    let mut bench = Bench::new();
    let (job, mut request) = bench.job(&[("Dockerfile", dockerfile)]);
    request.args = args.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    request.logins = logins;
    let result = bench.build(builder, &job, &request).await;
    let found = result
        .map(|images| files(&bench.shelf, &images[0]))
        .map_err(|error| format!("{} {error}", error.code()));
    (found, bench.log())
}

/// A parent. Its layers have no links to each other's files, which builders cannot unpack.
fn base() -> Image {
    let busybox = std::fs::read(testkit::tools::find(embedded::Program::Busybox)).unwrap();
    Image::new().layer(|l| {
        let l = l.dir("bin").program("bin/busybox", 0o755, &busybox);
        ["sh", "cat", "env", "true", "echo"]
            .into_iter()
            .fold(l, |l, tool| l.symlink(&format!("bin/{tool}"), "busybox"))
    })
}

fn login(registry: &Registry) -> ParentLogin {
    ParentLogin {
        scheme: None,
        host: registry.host(),
        username: LOGIN.0.to_owned(),
        password: LOGIN.1.to_owned().into(),
    }
}

#[tokio::test]
async fn a_private_parent_needs_its_credentials_and_shows_them_to_nobody() {
    let registry = Registry::with_login();
    registry.push(&base(), "team/base:1");
    let host = registry.host();
    let dockerfile = format!(
        "ARG FROM={host}/team/base:1\nFROM ${{FROM}}\nRUN env > /env; cat /proc/*/environ > /environs; true\n"
    );
    let (found, log) = built(&here(), &dockerfile, &[], vec![login(&registry)]).await;
    let found = found.unwrap_or_else(|e| panic!("{e}\n{log}"));
    assert!(!found.values().any(|text| text.contains(LOGIN.1)) && !log.contains(LOGIN.1));
    let (found, log) = built(&here(), &dockerfile, &[], Vec::new()).await;
    assert!(found.expect_err(&log).starts_with("build.parent_denied"), "{log}");
    // Named by an argument, in parts.
    let dockerfile = "ARG REGISTRY\nFROM ${REGISTRY}/team/base:1\nRUN true\n";
    let (found, log) =
        built(&here(), dockerfile, &[("REGISTRY", host.as_str())], vec![login(&registry)]).await;
    found.unwrap_or_else(|e| panic!("{e}\n{log}"));
    let missing = format!("FROM {host}/team/nothing:1\nRUN true\n");
    let (found, log) = built(&here(), &missing, &[], vec![login(&registry)]).await;
    assert!(found.expect_err(&log).starts_with("build.parent_missing"), "{log}");
}

#[tokio::test]
async fn a_mirror_is_asked_first() {
    let registry = Registry::start();
    registry.push(&base(), "library/base:1");
    let mirror = Mirror { host: "docker.io".to_owned(), url: format!("http://{}", registry.host()) };
    let builder = Builder::Buildah(Buildah { mirrors: vec![mirror], ..buildah() });
    let (found, log) = built(&builder, "FROM base:1\nRUN echo made > /made\n", &[], Vec::new()).await;
    assert_eq!(found.unwrap_or_else(|e| panic!("{e}\n{log}"))["made"], "made\n");
}

#[tokio::test]
async fn parents_come_from_where_the_operator_allows() {
    let registry = Registry::start();
    registry.push(&base(), "base:1");
    let builder =
        Builder::Buildah(Buildah { client: Client::new(NetworkPolicy::default()).unwrap(), ..buildah() });
    let dockerfile = format!("FROM {}/base:1\nRUN true\n", registry.host());
    let (found, log) = built(&builder, &dockerfile, &[], Vec::new()).await;
    assert!(found.expect_err(&log).starts_with("ssrf.blocked"), "{log}");
}
