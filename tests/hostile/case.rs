//! One hostile input and what must hold whatever it is.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::flat::{self, Tree};
use testkit::image::tar_of;
use testkit::{Factory, Image, tools};

/// The most memory that a whole factory may have held, in bytes: the byte budget and 500 B for each of 200,000 entries.
const MEMORY: u64 = 256 << 20;

/// Within this an input is live or refused.
const PATIENCE: Duration = Duration::from_secs(60);

/// A factory for one case. When it is dropped, it must have stayed within its memory, and be well.
pub struct Case {
    pub factory: Factory,
    dir: tempfile::TempDir,
    memory: u64,
}

impl Case {
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// With further settings of the factory.
    pub fn with(settings: &[(&str, &str)]) -> Self {
        Self { factory: Factory::configured(settings), dir: tempfile::tempdir().unwrap(), memory: MEMORY }
    }

    /// Uploads an image that must go live; its flat tree, as served.
    pub fn flat(&self, image: &Image) -> Tree {
        self.served(&self.live(image))
    }

    /// Uploads an image that must go live; the image as the API tells of it.
    pub fn live(&self, image: &Image) -> Value {
        self.live_from(&self.archive(&tar_of(&image.layout())), &[])
    }

    /// Imports from anywhere what must go live.
    pub fn live_from(&self, source: &str, more: &[&str]) -> Value {
        let began = Instant::now();
        let image = self.factory.import(source, more);
        assert!(began.elapsed() < PATIENCE, "{:?} to go live", began.elapsed());
        assert_eq!(image["flat"]["certificate"], image["flat"]["verified"]);
        image
    }

    /// Uploads an image that must be refused with this code.
    pub fn refuses(&self, image: &Image, code: &str) -> Value {
        self.refuses_from(&self.archive(&tar_of(&image.layout())), &[], code)
    }

    /// Imports from anywhere what must be refused with this code, in API, log and command line; nothing is left.
    pub fn refuses_from(&self, source: &str, more: &[&str], code: &str) -> Value {
        let began = Instant::now();
        let (image, said) = self.factory.import_fails(source, more);
        assert!(began.elapsed() < PATIENCE, "{:?} to be refused", began.elapsed());
        assert_eq!(image["state"]["error"]["code"], code, "{said}");
        assert_eq!(image["state"]["current"], "new");
        let log = self.factory.run(&["logs", image["id"].as_str().unwrap()]);
        assert!(log.contains(code) && said.contains(code), "{log}\n{said}");
        assert!(!log.contains('\u{1b}') && !said.contains('\u{1b}'), "a terminal can be moved: {log}");
        image
    }

    /// The flat tree of a live image, pulled as a server would.
    pub fn served(&self, image: &Value) -> Tree {
        let manifest: Value =
            serde_json::from_slice(&self.pull(image, "manifests", &image["digest"])).unwrap();
        assert_eq!(manifest["layers"].as_array().unwrap().len(), 1);
        let blob = self.pull(image, "blobs", &manifest["layers"][0]["digest"]);
        flat::read(&zstd::decode_all(blob.as_slice()).unwrap())
    }

    fn pull(&self, image: &Value, kind: &str, digest: &Value) -> Vec<u8> {
        let (name, _) = image["pull"].as_str().unwrap().rsplit_once(':').unwrap();
        let (host, name) = name.split_once('/').unwrap();
        let digest = digest.as_str().unwrap();
        let mut curl = std::process::Command::new("curl");
        curl.args(["-sf", "-u", &format!("any:{}", self.factory.env("PLATEN_API_KEY"))]);
        let output = tools::output(curl.arg(format!("http://{host}/v2/{name}/{kind}/{digest}")));
        assert!(output.status.success(), "{kind} {digest} cannot be pulled");
        output.stdout
    }

    /// Writes an archive where the command line finds it.
    pub fn archive(&self, bytes: &[u8]) -> String {
        let path = self.dir.path().join("image.tar");
        fs::write(&path, bytes).unwrap();
        path.to_string_lossy().into_owned()
    }

    /// Nothing is left of what was refused: no bytes, no quota, no temporary file.
    pub fn nothing_is_left(&self) {
        let storage: Value = serde_json::from_str(&self.factory.run(&["storage", "-o", "json"])).unwrap();
        assert_eq!((&storage["used"], &storage["images"]), (&Value::from(0), &Value::from(0)), "{storage}");
        let began = Instant::now();
        let left = || files(&self.factory.dir().join("store/packs")) + files(&self.factory.dir().join("tmp"));
        while left() > 0 {
            assert!(began.elapsed() < Duration::from_secs(60), "something is left behind");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Case {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = fs::read_to_string(self.factory.dir().join("platen.log")).unwrap_or_default();
            eprintln!("the factory's own log:\n{log}");
            return;
        }
        let peak = self.factory.peak_memory();
        assert!(peak < self.memory, "the factory held {peak} bytes");
        // Another image still goes through.
        self.factory
            .import(&self.archive(&tar_of(&Image::new().layer(|l| l.file("well", "1")).layout())), &[]);
    }
}

fn files(dir: &Path) -> usize {
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    entries.flatten().map(|e| if e.path().is_dir() { files(&e.path()) } else { 1 }).sum()
}
