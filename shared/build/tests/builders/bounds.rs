//! Hostile inputs 119 and 120: what a build may take is held, and nothing of it is left.

use std::fs;
use std::time::{Duration, Instant};

use build::{BuildError, Limits};

use crate::bench::{BASE, Bench};
use crate::buildah::here;

async fn ended(step: &str, limits: Limits) -> (BuildError, String) {
    let mut bench = Bench::new();
    let (job, mut request) = bench.job(&[("Dockerfile", &format!("{BASE}RUN {step}\n"))]);
    request.limits = limits;
    let (name, dir) = (job.name().to_owned(), job.path().to_owned());
    let result = bench.build(&here(), &job, &request).await;
    let log = bench.log();
    drop(job);
    assert!(!dir.exists());
    assert_gone(&name);
    (result.expect_err(&log), log)
}

/// No process and no control group of a build is left.
pub fn assert_gone(name: &str) {
    let running = || {
        let all = fs::read_dir("/proc").unwrap().flatten();
        let lines = all.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
        lines
            .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
            .filter(|line| line.contains(name))
            .collect::<Vec<_>>()
    };
    let began = Instant::now();
    while !running().is_empty() {
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", running());
        std::thread::sleep(Duration::from_millis(20));
    }
    for controller in ["pids", "memory", "unified", ""] {
        let dir = format!("/sys/fs/cgroup/{controller}");
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            assert!(!entry.file_name().to_string_lossy().contains(name), "{:?}", entry.path());
        }
    }
}

#[tokio::test]
async fn a_build_that_never_ends_is_ended() {
    let limits = Limits { time: Duration::from_secs(4), ..Limits::default() };
    let (error, _) = ended("sleep 100000", limits).await;
    assert_eq!(error.code(), "build.time");
}

#[tokio::test]
async fn a_fork_bomb_is_ended() {
    let limits = Limits { processes: 100, time: Duration::from_secs(60), ..Limits::default() };
    let (error, _) = ended("bomb() { bomb | bomb & }; bomb; sleep 1000", limits).await;
    assert_eq!(error.code(), "build.processes");
}

#[tokio::test]
async fn a_build_that_fills_the_disk_is_ended() {
    let limits = Limits { disk: 64 << 20, time: Duration::from_secs(60), ..Limits::default() };
    let (error, _) = ended(
        "while true; do dd if=/dev/zero of=/fill$((n=n+1)) bs=1M count=16 2>/dev/null; sleep 0.2; done",
        limits,
    )
    .await;
    assert_eq!(error.code(), "build.disk");
}

#[tokio::test]
async fn a_build_that_eats_memory_is_ended() {
    let limits = Limits { memory: 96 << 20, time: Duration::from_secs(60), ..Limits::default() };
    let (error, log) = ended("a=x; while true; do a=$a$a; done", limits).await;
    assert_eq!(error.code(), "build.memory", "{error}\n{log}");
}

#[tokio::test]
async fn a_build_that_prints_too_much_is_ended() {
    let limits = Limits { log: 4 << 20, ..Limits::default() };
    let (error, log) = ended("yes a line of a gigabyte", limits).await;
    assert_eq!(error.code(), "build.log");
    assert!(log.len() < 6 << 20);
    let limits = Limits { line: 1 << 20, ..Limits::default() };
    let (error, _) = ended("head -c 100000000 /dev/zero | tr '\\\\0' x", limits).await;
    assert_eq!(error.code(), "build.log_line");
}

#[tokio::test]
async fn a_build_that_is_given_up_leaves_nothing() {
    let mut bench = Bench::new();
    let (job, request) = bench.job(&[("Dockerfile", &format!("{BASE}RUN echo started; sleep 100000\n"))]);
    let builder = here();
    let building = bench.build(&builder, &job, &request);
    let started = async {
        while !bench.log().contains("\nstarted") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        result = building => panic!("it ended: {result:?}"),
        () = started => {}
    }
    let name = job.name().to_owned();
    drop(job);
    assert_gone(&name);
}
