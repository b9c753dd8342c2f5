//! Hostile inputs 115, 118 and 120: what a build cannot reach and cannot read.

use std::fs;
use std::net::{IpAddr, TcpListener};

use build::{Builder, Network};

use crate::bench::{BASE, Bench, files};
use crate::buildah::here;

/// An address of this machine that is not the loopback, where it has one.
fn outer() -> Option<IpAddr> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    // Nothing is sent: it only asks for the route.
    socket.connect("203.0.113.1:9").ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|ip| !ip.is_unspecified())
}

/// A port that nobody may come to.
fn trap(at: IpAddr) -> TcpListener {
    let listener = TcpListener::bind((at, 0)).unwrap();
    listener.set_nonblocking(true).unwrap();
    listener
}

async fn built(
    builder: &Builder,
    dockerfile: &str,
    network: Network,
) -> (Result<std::collections::BTreeMap<String, String>, String>, String) {
    let mut bench = Bench::new();
    let (job, mut request) = bench.job(&[("Dockerfile", dockerfile)]);
    request.network = network;
    let result = bench.build(builder, &job, &request).await;
    let found = result
        .map(|images| files(&bench.shelf, &images[0]))
        .map_err(|error| format!("{} {error}", error.code()));
    (found, bench.log())
}

#[tokio::test]
async fn the_machines_own_servers_are_out_of_reach() {
    let mut traps = vec![trap("127.0.0.1".parse().unwrap())];
    traps.extend(outer().map(trap));
    let mut steps = String::new();
    for trap in &traps {
        let address = trap.local_addr().unwrap();
        steps.push_str(&format!("RUN wget -T 3 -q -O /got http://{address}/ || echo none > /none\n"));
    }
    // The gateway of its network, by which others reach the machine's loopback; the metadata addresses of clouds.
    let port = traps[0].local_addr().unwrap().port();
    for address in [
        &format!("198.18.0.2:{port}"),
        &format!("10.0.2.2:{port}"),
        "169.254.169.254",
        "168.63.129.16",
        "100.100.100.200",
    ] {
        steps.push_str(&format!("RUN wget -T 3 -q -O /got http://{address}/ || echo none > /none\n"));
    }
    for network in [Network::Public, Network::None] {
        let (found, log) = built(&here(), &format!("{BASE}{steps}"), network).await;
        let found = found.unwrap_or_else(|e| panic!("{e}\n{log}"));
        assert_eq!(found.get("none").map(String::as_str), Some("none\n"));
        assert!(!found.contains_key("got") || found["got"].is_empty(), "{log}");
    }
    for trap in &traps {
        assert!(trap.accept().is_err(), "somebody came to {:?}", trap.local_addr());
    }
}

#[tokio::test]
async fn adding_from_the_metadata_address_fails() {
    let trap = trap("127.0.0.1".parse().unwrap());
    for url in
        ["http://169.254.169.254/latest".to_owned(), format!("http://{}/x", trap.local_addr().unwrap())]
    {
        let (found, log) = built(&here(), &format!("FROM scratch\nADD {url} /x\n"), Network::Public).await;
        assert!(found.expect_err(&log).starts_with("build.failed"), "{log}");
    }
    assert!(trap.accept().is_err());
}

#[tokio::test]
async fn no_file_of_the_machine_can_be_read() {
    let canary = tempfile::Builder::new().prefix("platen-canary").tempdir_in("/var/tmp").unwrap();
    fs::write(canary.path().join("canary"), "the canary sings").unwrap();
    let path = canary.path().display();
    // Mounts with paths that climb (CVE-2024-1753, -9407, -11218), and a link in the context that leads out.
    for step in [
        format!("RUN --mount=type=bind,source=../../../../../../..{path},target=/m cat /m/canary"),
        format!("RUN --mount=type=bind,from=base,source=../../../../../../..{path},target=/m cat /m/canary"),
        format!("RUN --mount=type=cache,id=../../../../../../..{path},target=/m cat /m/canary"),
        format!("RUN --mount=type=cache,source=../../../../../../..{path},target=/m cat /m/canary"),
        format!("COPY ../../../../../../..{path}/canary /canary\nRUN cat /canary"),
        "COPY link/canary /canary\nRUN cat /canary".to_owned(),
        "RUN --mount=type=bind,source=link,target=/m cat /m/canary".to_owned(),
        format!("RUN --mount=type=bind,from=base,source=/link,target=/m cat /m/canary; ln -s {path} /link"),
    ] {
        let mut bench = Bench::new();
        let (job, request) =
            bench.job(&[("Dockerfile", &format!("{BASE}RUN ln -s {path} /link\nFROM base\n{step}\n"))]);
        std::os::unix::fs::symlink(canary.path(), job.context().join("link")).unwrap();
        let result = bench.build(&here(), &job, &request).await;
        let log = bench.log();
        assert!(!log.contains("the canary sings"), "{step}\n{log}");
        if let Ok(images) = result {
            let found = files(&bench.shelf, &images[0]);
            assert!(!found.values().any(|text| text.contains("the canary sings")), "{step}");
        }
        assert_eq!(fs::read_to_string(canary.path().join("canary")).unwrap(), "the canary sings");
    }
}

#[tokio::test]
async fn a_step_sees_no_processes_and_no_secrets_but_its_own() {
    let mut bench = Bench::new();
    let step = "RUN ls /proc | grep -c '^[0-9]' > /processes; ls /job /storage > /seen 2>&1; cat /proc/1/environ > /environ; true";
    let (job, mut request) = bench.job(&[("Dockerfile", &format!("{BASE}{step}\n"))]);
    request.secrets.push(("unused".into(), "a-secret-nobody-mounts".to_owned().into()));
    let images =
        bench.build(&here(), &job, &request).await.unwrap_or_else(|e| panic!("{e}\n{}", bench.log()));
    let found = files(&bench.shelf, &images[0]);
    assert!(found["processes"].trim().parse::<u32>().unwrap() < 12, "{}", found["processes"]);
    assert!(found["seen"].contains("No such file"), "{}", found["seen"]);
    assert!(!found.values().any(|text| text.contains("a-secret-nobody-mounts")));
}
