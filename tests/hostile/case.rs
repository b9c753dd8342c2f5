//! One hostile input and what must hold whatever it is.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::flat::{self, Node, Tree};
use testkit::image::tar_of;
use testkit::{Factory, Image, raw, tools};

/// The most memory that a whole factory may have held, in bytes: the byte budget and 500 B for each of 200,000 entries.
const MEMORY: u64 = 256 << 20;

/// Within this an input is live or refused.
const PATIENCE: Duration = Duration::from_secs(60);

/// A factory for one case. When it is dropped, it must have stayed within its memory, hold nothing of what was refused,
/// and be well.
pub struct Case {
    pub factory: Factory,
    dir: tempfile::TempDir,
    memory: u64,
    patience: Duration,
    /// Has anything gone live?
    lives: AtomicBool,
}

impl Case {
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// With further settings of the factory.
    pub fn with(settings: &[(&str, &str)]) -> Self {
        Self {
            factory: Factory::configured(settings),
            dir: tempfile::tempdir().unwrap(),
            memory: MEMORY,
            patience: PATIENCE,
            lives: AtomicBool::new(false),
        }
    }

    /// With another bound on memory, in bytes: an image of a million entries may take 500 for each.
    pub fn within(mut self, memory: u64, patience: Duration) -> Self {
        (self.memory, self.patience) = (memory, patience);
        self
    }

    /// Uploads an image that must become exactly this tree, in the words of [`lines`]; the image.
    pub fn gives(&self, image: &Image, expected: &[&str]) -> Value {
        let live = self.live(image);
        assert_eq!(lines(&self.served(&live)), expected);
        live
    }

    /// As [`Case::gives`], of one layer of these parts.
    pub fn reads(&self, parts: &[Vec<u8>], expected: &[&str]) -> Value {
        self.gives(&Image::new().raw_layer(raw::tar(parts)), expected)
    }

    /// Uploads an image that must become a tree of one entry besides directories; that entry.
    pub fn only(&self, parts: &[Vec<u8>]) -> Node {
        let tree = self.flat(&Image::new().raw_layer(raw::tar(parts)));
        let mut nodes = tree.into_values().filter(|node| node.kind != '5');
        let node = nodes.next().unwrap();
        assert!(nodes.next().is_none());
        node
    }

    /// The image must carry this warning, in the API and in its log.
    pub fn warned(&self, image: &Value, sentence: &str) {
        let warnings = image["warnings"].as_array().unwrap();
        assert!(warnings.iter().any(|w| w.as_str().unwrap().contains(sentence)), "{warnings:#?}");
        let log = self.factory.run(&["logs", image["id"].as_str().unwrap()]);
        assert!(log.contains(sentence), "{log}");
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
        self.something_lives();
        assert!(began.elapsed() < self.patience, "{:?} to go live", began.elapsed());
        assert_eq!(image["flat"]["certificate"], image["flat"]["verified"]);
        image
    }

    /// Uploads an image that must be refused with this code.
    pub fn refuses(&self, image: &Image, code: &str) -> Value {
        self.refuses_from(&self.archive(&tar_of(&image.layout())), &[], code)
    }

    /// As [`Case::refuses`], and for the fault of this entry of this layer, both counted from 0.
    pub fn refuses_at(&self, image: &Image, code: &str, layer: usize, entry: usize) -> Value {
        let (refused, log) = self.refused(&self.archive(&tar_of(&image.layout())), &[], code);
        for said in [log.as_str(), refused["state"]["error"]["message"].as_str().unwrap()] {
            let digest = image.layer_digest(layer);
            assert!(said.contains(&digest), "the layer {digest} is not named: {said}");
            let named = [',', ')'].iter().any(|end| said.contains(&format!("entry {entry}{end}")));
            assert!(named, "the entry {entry} is not named: {said}");
        }
        refused
    }

    /// One layer of these parts must be refused for the fault of an entry.
    pub fn rejects(&self, parts: &[Vec<u8>], code: &str, entry: usize) {
        self.refuses_at(&Image::new().raw_layer(raw::tar(parts)), code, 0, entry);
    }

    /// Imports from anywhere what must be refused with this code, in API, log and command line; nothing is left.
    pub fn refuses_from(&self, source: &str, more: &[&str], code: &str) -> Value {
        self.refused(source, more, code).0
    }

    /// The image as the API tells of it, and its log.
    fn refused(&self, source: &str, more: &[&str], code: &str) -> (Value, String) {
        let began = Instant::now();
        let (image, said) = self.factory.import_fails(source, more);
        assert!(began.elapsed() < self.patience, "{:?} to be refused", began.elapsed());
        assert_eq!(image["state"]["error"]["code"], code, "{said}");
        assert_eq!(image["state"]["current"], "new");
        let log = self.factory.run(&["logs", image["id"].as_str().unwrap()]);
        assert!(log.contains(code) && said.contains(code), "{log}\n{said}");
        assert_eq!(image["state"]["error"]["message"].as_str().map(str::is_empty), Some(false));
        assert!(!log.contains('\u{1b}') && !said.contains('\u{1b}'), "a terminal can be moved: {log}");
        (image, log)
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

    /// An image went live by another way than this case's own.
    pub fn something_lives(&self) {
        self.lives.store(true, Ordering::Relaxed);
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
        if !self.lives.load(Ordering::Relaxed) {
            self.nothing_is_left();
        }
        // Another image still goes through.
        self.factory
            .import(&self.archive(&tar_of(&Image::new().layer(|l| l.file("well", "1")).layout())), &[]);
    }
}

/// A tree as lines, in the order of their paths: `dir/`, `file=content`, `symbolic->target`, `hard==first name`,
/// `pipe|`, `char c1:3`, `block b8:0`. The root is there only if an entry set it. Large contents are told by their
/// size.
pub fn lines(tree: &Tree) -> Vec<String> {
    let line = |(path, node): (&Vec<u8>, &Node)| {
        let (path, link) = (path.escape_ascii(), node.link.escape_ascii());
        let (major, minor) = node.device;
        match node.kind {
            '0' if node.content.len() > 100 => format!("{path}={} bytes", node.content.len()),
            '0' => format!("{path}={}", node.content.escape_ascii()),
            '1' => format!("{path}=={link}"),
            '2' => format!("{path}->{link}"),
            '3' => format!("{path} c{major}:{minor}"),
            '4' => format!("{path} b{major}:{minor}"),
            '5' => format!("{path}/"),
            _ => format!("{path}|"),
        }
    };
    tree.iter().map(line).collect()
}

fn files(dir: &Path) -> usize {
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    entries.flatten().map(|e| if e.path().is_dir() { files(&e.path()) } else { 1 }).sum()
}
