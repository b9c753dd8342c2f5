//! Whatever is done to a factory, in whatever order: every live blob is byte for byte what its digest says, and no pack stays
//! that nobody uses.
//!
//! Imports, prunes, pulls, scrubs and crashes are drawn at random, the same for the same seed. `PLATEN_TEST_STEPS` (36) tells
//! how many, `PLATEN_TEST_SEED` which.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod random;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use random::Random;
use serde_json::Value;
use testkit::image::Packing;
use testkit::{Factory, Image, Registry};

/// Applications, each with a base of its own but for what all share.
const APPS: u64 = 3;

/// A revision of an application: what all share, a large file of its own, and a few files that every revision changes.
fn image(random: &mut Random, app: u64, revision: u64) -> Image {
    let common = random::text("common", 900_000);
    let own = random::noise(app, 600_000 + 90_000 * app as usize);
    let mut image = Image::new()
        .layer(|l| (0..200).fold(l, |l, i| l.file(&format!("usr/share/{i}"), &common[i * 1000..i * 4000])))
        .layer(|l| l.file("opt/large", &own).link("opt/also", "opt/large"))
        .layer(|l| l.file(&format!("srv/{app}"), random::noise(100 + app, 300_000)));
    if random.chance(3) {
        image = image.layer(|l| l.whiteout("opt/large").file("usr/share/7", "replaced"));
    }
    let code = random::text(&format!("code {app} {revision}"), 40_000);
    image = image.layer(|l| l.file("app/main", &code).file("app/same", "the same in every revision"));
    if random.chance(2) { image.packed(Packing::Zstd) } else { image }
}

struct World {
    registry: Registry,
    factory: Factory,
    random: Random,
    revisions: u64,
    crashes: u64,
    imports: u64,
}

impl World {
    fn run(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.factory.run(&[args, &["-o", "json"]].concat())).unwrap()
    }

    fn live(&self) -> Vec<Value> {
        let images = self.run(&["images"]);
        let list = images.as_array().cloned().unwrap_or_default();
        list.into_iter().filter(|image| image["state"]["current"] == "live").collect()
    }

    fn source(&mut self) -> String {
        let app = self.random.below(APPS);
        // Some revisions come again.
        let again = self.revisions > 0 && self.random.chance(4);
        let revision = if again { self.random.below(self.revisions) } else { self.revisions };
        self.revisions += u64::from(!again);
        let image = image(&mut self.random, app, revision);
        self.registry.push(&image, &format!("demo/app{app}:r{revision}"))
    }

    fn codec(&mut self) -> &'static str {
        if self.random.chance(4) { "gzip" } else { "zstd" }
    }

    fn step(&mut self) {
        match self.random.below(10) {
            0..=3 => {
                let (source, codec) = (self.source(), self.codec());
                let image = self.factory.import(&source, &["--codec", codec]);
                assert_eq!(image["flat"]["certificate"], image["flat"]["verified"]);
                self.imports += 1;
            }
            4 => {
                let (source, codec) = (self.source(), self.codec());
                self.factory.run(&["import", &source, "--codec", codec, "--no-wait", "-o", "name"]);
                std::thread::sleep(Duration::from_millis(self.random.below(150)));
                self.factory.kill();
                self.factory.up();
                self.crashes += 1;
            }
            5 | 6 => {
                let live = self.live();
                if live.is_empty() {
                    return;
                }
                let image = &live[self.random.below(live.len() as u64) as usize];
                let source = image["source"]["identifier"].as_str().unwrap().to_owned();
                let keep = self.random.below(3).to_string();
                self.run(&["prune", "--min-age", "0s", "--source", &source, "--keep-last", &keep]);
            }
            7 => drop(self.run(&["storage", "--scrub"])),
            _ => {
                let live = self.live();
                if let Some(image) = live.get(self.random.below(live.len().max(1) as u64) as usize) {
                    self.verify(image);
                }
            }
        }
    }

    /// Pulls an image whole, and computes every digest, diff_id and certificate of it again.
    fn verify(&self, image: &Value) {
        let report = self.run(&["verify", image["id"].as_str().unwrap()]);
        assert_eq!(report["verified"], true, "{report:#}");
    }

    fn check(&self) {
        for image in self.live() {
            self.verify(&image);
        }
        let storage = self.run(&["storage"]);
        assert_eq!(storage["damaged"], 0, "{storage:#}");
        let found = violations(&self.factory);
        assert!(found.is_empty(), "invariants are broken:\n{}", found.join("\n"));
    }

    /// Waits until nothing is under way.
    fn settle(&self) {
        until("every import has ended", || {
            let images = self.run(&["images"]);
            images.as_array().unwrap().iter().all(|i| {
                let (state, error) = (&i["state"]["current"], &i["state"]["error"]);
                state == "live" || state == "deleted" || (state == "new" && !error.is_null())
            })
        });
    }
}

fn violations(factory: &Factory) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let db = db::Db::connect(factory.env("DATABASE_URL"), 2).unwrap();
        db.violations().await.unwrap()
    })
}

/// Every pack there is, and its bytes.
fn packs(factory: &Factory) -> BTreeSet<(String, u64)> {
    fn walk(dir: &Path, found: &mut BTreeSet<(String, u64)>) {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(meta) if meta.is_dir() => walk(&entry.path(), found),
                Ok(meta) => {
                    found.insert((entry.file_name().to_string_lossy().into_owned(), meta.len()));
                }
                Err(_) => {}
            }
        }
    }
    let mut found = BTreeSet::new();
    walk(&factory.dir().join("store/packs"), &mut found);
    found
}

fn until(what: &str, look: impl Fn() -> bool) {
    let began = Instant::now();
    while !look() {
        assert!(began.elapsed() < Duration::from_secs(120), "still not: {what}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn whatever_is_done_live_blobs_are_whole_and_nothing_else_stays() {
    let number = |key: &str, default| std::env::var(key).map_or(default, |v| v.parse().unwrap());
    let (steps, seed) = (number("PLATEN_TEST_STEPS", 36), number("PLATEN_TEST_SEED", 20_261_125));
    let settings =
        [("PLATEN_RECLAIM_GRACE", "1"), ("PLATEN_SCRUB_RATE", "1000000000"), ("PLATEN_SCRUB_EVERY", "5")];
    let mut world = World {
        registry: Registry::start(),
        factory: Factory::configured(&settings),
        random: Random::new(seed),
        revisions: 0,
        crashes: 0,
        imports: 0,
    };
    for step in 0..steps {
        world.step();
        if step % 12 == 11 {
            world.settle();
            world.check();
        }
    }
    world.settle();
    world.check();
    // What is dead is at most three tenths of what is used, once the pruner has come to it.
    until("little of the store is dead", || {
        let storage = world.run(&["storage"]);
        let (dead, used) = (storage["dead"].as_u64().unwrap(), storage["used"].as_u64().unwrap());
        dead <= used / 10 * 3 + 64_000
    });
    world.check();
    let held: u64 = packs(&world.factory).iter().map(|(_, size)| size).sum();
    world.run(&["prune", "--min-age", "0s"]);
    until("the store is empty", || packs(&world.factory).is_empty());
    assert!(violations(&world.factory).is_empty());
    println!(
        "seed {seed}: {steps} steps, {} imports, {} revisions, {} crashes, {held} bytes in packs before the last prune",
        world.imports, world.revisions, world.crashes
    );
}
