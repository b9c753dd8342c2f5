//! What log lines cost: said through the stages' own `JobLog`, published, kept by `logbook`, in Postgres at the end.

use std::hint::black_box;
use std::time::{Duration, Instant};

use chassis::joblog::JobLog;
use db::import::Claim;
use model::log::{Stage, Stream};
use serde_json::json;
use testkit::Factory;

use crate::http::Client;
use crate::{cpu, figure};

const IMPORTS: usize = 20;
/// A pace of 1,000 lines a second, as a build has it: a few at a time.
const PACE: (usize, Duration) = (10, Duration::from_millis(10));

struct Stand {
    _factory: Factory,
    claims: Vec<Claim>,
    runtime: tokio::runtime::Runtime,
    db: db::Db,
    bus: bus::Bus,
}

fn stand() -> Stand {
    let factory = Factory::start();
    let mut client = Client::with_key(&factory);
    let body = json!({ "name": "logs", "origin": { "type": "none", "details": {} } });
    let source = client.json("POST", "/v1/images/sources", &body)["data"]["id"].as_str().unwrap().to_owned();
    let claims = (0..IMPORTS).map(|_| {
        let made = client.json("POST", "/v1/images", &json!({ "source_id": source, "import": false }));
        let image = &made["data"];
        Claim {
            image: serde_json::from_value(image["id"].clone()).unwrap(),
            attempt: 1,
            hub: serde_json::from_value(image["hub_id"].clone()).unwrap(),
            source: serde_json::from_value(image["source"]["id"].clone()).unwrap(),
            name: String::new(),
            state: model::State::New,
            pin: None,
            overrides: model::api::Override::default(),
            build: model::api::BuildOptions::default(),
            secrets: db::source::Sealed::new(),
            upload: None,
            failures: 0,
            lapses: 0,
            requested_at: chrono::Utc::now(),
        }
    });
    let claims = claims.collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (db, bus) = runtime.block_on(async {
        let db = db::Db::connect(factory.env("DATABASE_URL"), 2).unwrap();
        (db, bus::Bus::connect(factory.env("NATS_URL"), "bench").await.unwrap())
    });
    Stand { _factory: factory, claims, runtime, db, bus }
}

impl Stand {
    fn make(&self, time: Duration) {
        self.runtime.block_on(async {
            let mut all = tokio::task::JoinSet::new();
            for _ in &self.claims {
                all.spawn(speak(None, time, Some(PACE)));
            }
            all.join_all().await;
        });
    }

    /// Speaks for a while in every import at once; lines said, and the time until all were kept.
    fn speak(&self, time: Duration, pace: Option<(usize, Duration)>) -> (u64, Duration) {
        let began = Instant::now();
        let said = self.runtime.block_on(async {
            let mut all = tokio::task::JoinSet::new();
            for claim in self.claims.clone() {
                let log = JobLog::open(self.bus.clone(), &claim, Stage::Factory);
                all.spawn(async move { (claim, speak(Some(&log), time, pace).await) });
            }
            let said = all.join_all().await;
            for (claim, lines) in &said {
                while self.db.log_state(&claim.image).await.unwrap().unwrap().next < *lines {
                    assert!(began.elapsed() < time + Duration::from_secs(120), "lines are not kept");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                assert_eq!(self.db.log_state(&claim.image).await.unwrap().unwrap().next, *lines);
            }
            said.iter().map(|(_, lines)| *lines as u64).sum()
        });
        (said, began.elapsed())
    }
}

/// Says lines for a while; to nobody, where there is no log.
async fn speak(log: Option<&JobLog>, time: Duration, pace: Option<(usize, Duration)>) -> i64 {
    let began = Instant::now();
    let (at_once, pause) = pace.unwrap_or((1000, Duration::ZERO));
    let mut clock = tokio::time::interval(pause.max(Duration::from_millis(1)));
    let mut said = 0;
    // What is not kept yet must fit the stream, which drops its oldest beyond 1 GiB.
    while began.elapsed() < time && said < 300_000 {
        for _ in 0..at_once {
            said += 1;
            let line = format!(
                "[ {said:>7}/100000] Compiling module {said} of the program: src/some/path/file_{said}.c"
            );
            match log {
                Some(log) => log.line(Stream::Stdout, &line),
                None => _ = black_box(line),
            }
        }
        match pace {
            Some(_) => _ = clock.tick().await,
            // As fast as the bus takes them: what is said is held in memory until then.
            None => _ = flush(log).await,
        }
    }
    flush(log).await;
    said
}

async fn flush(log: Option<&JobLog>) {
    if let Some(log) = log {
        log.flush().await;
    }
}

pub(crate) fn steady(time: Duration) {
    let stand = stand();
    // First what the factory uses when nothing happens.
    std::thread::sleep(Duration::from_secs(1));
    let idle = used(|| std::thread::sleep(Duration::from_secs(3))).0 / 3.0;
    // And what it costs to make the lines, at the same pace, without a log: that is the build's cost.
    let (making, ()) = used(|| stand.make(time));
    let making = making / time.as_secs_f64() * 100.0;
    let mut said = (0, Duration::ZERO);
    let (cpu, ()) = used(|| said = stand.speak(time, Some(PACE)));
    let (lines, took) = said;
    let all = (cpu / took.as_secs_f64()) * 100.0;
    let share = all - making;
    let rate = lines as f64 / took.as_secs_f64();
    println!(
        "{IMPORTS} imports, {rate:.0} lines a second in all: {all:.1} % of a core for everything (speaker, platen, NATS, \
         PostgreSQL), {making:.1} % of it to make the lines, {:.1} % idle: the log costs {share:.1} %",
        idle * 100.0,
    );
    figure("logs.steady.cpu", share, "% of a core", "5");
    figure("logs.idle.cpu", idle * 100.0, "% of a core", "");
}

pub(crate) fn flood(time: Duration) {
    let stand = stand();
    let mut said = (0, Duration::ZERO);
    let (cpu, ()) = used(|| said = stand.speak(time, None));
    let (lines, took) = said;
    let rate = lines as f64 / took.as_secs_f64();
    println!(
        "{lines} lines said and kept in {took:.2?}: {rate:.0} a second, {:.2} µs of a core each",
        cpu * 1e6 / lines as f64
    );
    figure("logs.kept.rate", rate, "lines/s", "100000");
}

/// Seconds of processor time that everything used meanwhile.
fn used<T>(work: impl FnOnce() -> T) -> (f64, T) {
    // The factory is a child of ours, and its servers are children of it.
    let all = || cpu::of_tree(std::process::id());
    let before = all();
    let done = work();
    ((all() - before).as_secs_f64(), done)
}
