//! What the suite builds with: contexts, a taker that keeps what it is given, and the log.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::sync::{Arc, Mutex};

use build::buildah::Place;
use build::job::{JobDir, Storage};
use build::receive::{BuiltImage, LayerBytes, Taker};
use build::{BuildError, BuildRequest, Builder, Limits, Network, Say};
use embedded::Program;
use oci::digest::Digest;
use testkit::tools;

/// Keeps every layer.
#[derive(Default)]
pub struct Shelf {
    pub layers: Mutex<BTreeMap<String, Vec<u8>>>,
    pub taken: Mutex<Vec<String>>,
}

impl Taker for Shelf {
    async fn known(&self, diff_id: &Digest) -> Option<u64> {
        self.layers.lock().unwrap().get(&diff_id.to_string()).map(|layer| layer.len() as u64)
    }

    async fn take(&self, mut bytes: LayerBytes) -> Result<Digest, BuildError> {
        let read = tokio::task::spawn_blocking(move || {
            let mut sent = Vec::new();
            bytes.read_to_end(&mut sent)?;
            let mut all = Vec::new();
            match sent.first() {
                Some(0x1f) => {
                    flate2::read::MultiGzDecoder::new(sent.as_slice()).read_to_end(&mut all).map(|_| all)
                }
                _ => Ok(sent),
            }
        });
        let all = read.await.unwrap().map_err(|e| BuildError::transient("test.read", e.to_string()))?;
        let digest = Digest::of(&all);
        self.layers.lock().unwrap().insert(digest.to_string(), all);
        self.taken.lock().unwrap().push(digest.to_string());
        Ok(digest)
    }
}

/// Files of an image, the upper layers' over the lower ones'. Whiteouts are names like any other.
pub fn files(shelf: &Shelf, image: &BuiltImage) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for diff_id in &image.config.diff_ids {
        let layers = shelf.layers.lock().unwrap();
        let bytes = layers.get(&diff_id.to_string()).expect("a layer that was taken");
        let mut tar = tar::Archive::new(bytes.as_slice());
        for entry in tar.entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = String::from_utf8_lossy(&entry.path_bytes()).trim_end_matches('/').to_owned();
            let mut text = Vec::new();
            entry.read_to_end(&mut text).unwrap();
            files.insert(path, String::from_utf8_lossy(&text).into_owned());
        }
    }
    files
}

/// A place to build in, and what was said.
pub struct Bench {
    pub dir: tempfile::TempDir,
    pub shelf: Arc<Shelf>,
    pub said: Arc<Mutex<Vec<String>>>,
    pub storage: Storage,
    builds: u32,
}

impl Bench {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let storage = Storage::of(dir.path(), "hub").unwrap();
        Self { dir, shelf: Arc::default(), said: Arc::default(), storage, builds: 0 }
    }

    pub fn say(&self) -> Say {
        let said = Arc::clone(&self.said);
        Arc::new(move |_, line| said.lock().unwrap().push(line.to_owned()))
    }

    pub fn log(&self) -> String {
        self.said.lock().unwrap().join("\n")
    }

    /// Builds.
    pub async fn build(
        &self,
        builder: &Builder,
        job: &JobDir,
        request: &BuildRequest,
    ) -> Result<Vec<BuiltImage>, BuildError> {
        let place = Place { job, storage: &self.storage, scope: "source" };
        builder.build(request, &place, &self.shelf, &self.say()).await
    }

    /// A build of these files; `busybox` is among them.
    pub fn job(&mut self, files: &[(&str, &str)]) -> (JobDir, BuildRequest) {
        self.builds += 1;
        let name =
            format!("test-{}-{}", std::process::id(), self.dir.path().file_name().unwrap().to_string_lossy());
        let job = JobDir::make(self.dir.path(), &format!("{name}-{}", self.builds)).unwrap();
        let context = job.context();
        fs::create_dir_all(&context).unwrap();
        fs::copy(tools::find(Program::Busybox), context.join("busybox")).unwrap();
        for (path, text) in files {
            let path = context.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let request = request(&context);
        (job, request)
    }
}

pub fn request(context: &Path) -> BuildRequest {
    BuildRequest {
        context: context.to_owned(),
        build_file: "Dockerfile".into(),
        target: None,
        args: BTreeMap::new(),
        secrets: Vec::new(),
        platforms: vec!["linux/amd64".to_owned()],
        logins: Vec::new(),
        network: Network::Public,
        use_disk: true,
        limits: Limits::default(),
    }
}

/// The beginning of Dockerfiles: a busybox with all its names.
pub const BASE: &str = "FROM scratch AS base\nCOPY busybox /bin/busybox\nRUN [\"/bin/busybox\", \"--install\", \"-s\", \"/bin\"]\n";
