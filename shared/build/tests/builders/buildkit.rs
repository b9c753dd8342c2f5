//! A real BuildKit, by the suite, through each of its doors.

use build::Builder;
use build::buildkit::{BuildKit, Endpoint, Tls};

use crate::bench::{BASE, Bench, files};
use crate::suite;

fn docker(daemon: &testkit::BuildKit) -> Builder {
    Builder::BuildKit(BuildKit { endpoint: Endpoint::Docker(daemon.socket()), docker: daemon.docker() })
}

#[tokio::test(flavor = "multi_thread")]
async fn it_builds_what_people_write_every_day() {
    let daemon = testkit::BuildKit::start();
    let builder = docker(&daemon);
    suite::everyday(&builder).await;
    suite::target(&builder).await;
    suite::cache_mount(&builder).await;
    suite::failures(&builder).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_reads_heredocs() {
    let daemon = testkit::BuildKit::start();
    let mut bench = Bench::new();
    let dockerfile =
        format!("{BASE}RUN <<X\necho one > /one\necho two > /two\nX\nCOPY <<Y /three\nthree\nY\n");
    let (job, request) = bench.job(&[("Dockerfile", &dockerfile)]);
    let images = bench.build(&docker(&daemon), &job, &request).await;
    let images = images.unwrap_or_else(|e| panic!("{e}\n{}", bench.log()));
    let found = files(&bench.shelf, &images[0]);
    assert_eq!(
        (found["one"].as_str(), found["two"].as_str(), found["three"].as_str()),
        ("one\n", "two\n", "three\n")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_reached_by_tcp_with_certificates() {
    let mut daemon = testkit::BuildKit::start();
    let door = daemon.mtls();
    let tcp = |address: &str, tls| {
        Builder::BuildKit(BuildKit {
            endpoint: Endpoint::Tcp { address: address.to_owned(), name: Some("localhost".to_owned()), tls },
            docker: daemon.docker(),
        })
    };
    let tls =
        |ca: &str| Some(Tls { ca: ca.to_owned(), cert: door.cert.clone(), key: door.key.clone().into() });
    let builder = tcp(&door.address, tls(&door.ca));
    let scratch = tempfile::tempdir().unwrap();
    builder.verify(scratch.path()).await.unwrap();
    suite::target(&builder).await;
    // The certificate of somebody else as the authority, and nobody there.
    for builder in [tcp(&door.address, tls(&door.cert)), tcp("127.0.0.1:1", None)] {
        let scratch = tempfile::tempdir().unwrap();
        let error = builder.verify(scratch.path()).await.unwrap_err();
        assert!(["builder.unreachable", "builder.tls"].contains(&error.code()), "{error}");
    }
}
