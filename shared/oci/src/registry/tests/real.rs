//! Pulls from the CNCF Distribution registry, where it is installed: plain, with TLS, with a password.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::*;
use crate::manifest::Platform;
use crate::reference::TagOrDigest;

const PROGRAM: &str = "/usr/bin/docker-registry";

/// A `docker-registry` of our own, ended with the test.
struct Registry {
    child: Child,
    url: String,
    http: reqwest::Client,
    _root: tempfile::TempDir,
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How a registry is set up.
#[derive(Default)]
struct Setup {
    /// Certificate and key for `localhost`, in PEM.
    tls: Option<(String, String)>,
    /// A line of an htpasswd file, for `me` with the password `secret`.
    password: Option<String>,
}

impl Registry {
    fn start(setup: Setup) -> Option<Self> {
        if !Path::new(PROGRAM).exists() {
            eprintln!("skipped: {PROGRAM} is not installed");
            return None;
        }
        let root = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = root.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let mut config: Value = json!({
            "version": 0.1,
            "storage": {"filesystem": {"rootdirectory": root.path().join("data")}},
            "http": {"addr": "127.0.0.1:0"},
        });
        let mut http = reqwest::Client::builder().no_proxy();
        let scheme = match &setup.tls {
            Some((certificate, key)) => {
                config["http"]["tls"] =
                    json!({"certificate": write("cert.pem", certificate), "key": write("key.pem", key)});
                http = http.tls_certs_only([reqwest::Certificate::from_pem(certificate.as_bytes()).unwrap()]);
                "https"
            }
            None => "http",
        };
        if let Some(line) = &setup.password {
            config["auth"] = json!({"htpasswd": {"realm": "test", "path": write("htpasswd", line)}});
        }
        let file = write("config.yml", &config.to_string());
        let mut child = Command::new(PROGRAM)
            .arg("serve")
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // It takes a free port and says which.
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = lines.by_ref().map_while(Result::ok).find_map(|line| {
            Some(line.split_once("listening on ")?.1.split(['"', ',', ' ']).next()?.to_owned())
        });
        std::thread::spawn(move || lines.for_each(drop));
        let address = address.expect("docker-registry says where it listens");
        // Its certificate is for the name.
        let url = format!("{scheme}://{}", address.replace("127.0.0.1", "localhost"));
        Some(Self { child, url, http: http.build().unwrap(), _root: root })
    }

    async fn put(&self, path: &str, media_type: &str, body: Vec<u8>) {
        let request =
            self.http.put(format!("{}{path}", self.url)).header("content-type", media_type).body(body);
        let answer = request.basic_auth("me", Some("secret")).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::CREATED);
    }

    async fn push_blob(&self, body: &[u8]) {
        let begin = self.http.post(format!("{}/v2/team/app/blobs/uploads/", self.url));
        let begun = begin.basic_auth("me", Some("secret")).send().await.unwrap();
        let place = begun.headers()["location"].to_str().unwrap().to_owned();
        let place = place.strip_prefix(&self.url).unwrap_or(&place).to_owned();
        let path = format!("{place}&digest={}", Digest::of(body));
        self.put(&path, "application/octet-stream", body.to_vec()).await;
    }

    /// Pushes an image of one layer as `team/app:1`; its manifest's digest.
    async fn push(&self, layer: &[u8]) -> Digest {
        let config = config("amd64", &[layer]);
        let manifest = manifest(config.as_bytes(), &[layer]);
        self.push_blob(config.as_bytes()).await;
        self.push_blob(layer).await;
        self.put("/v2/team/app/manifests/1", media_type::OCI_MANIFEST, manifest.clone().into_bytes()).await;
        Digest::of(manifest.as_bytes())
    }

    fn target(&self) -> Target {
        Target::at(&self.url, "team/app:1").unwrap()
    }
}

async fn image(repository: &Repository) -> Result<RegistryImage, RegistryError> {
    repository.image(&TagOrDigest::Tag("1".into()), &Platform::new("linux", "amd64", None)).await
}

#[tokio::test]
async fn a_real_registry_is_pulled_from() {
    // First, since it gives TLS its provider, which the pushing client needs as well.
    let client = client(NetworkPolicy::embedded());
    let Some(registry) = Registry::start(Setup::default()) else { return };
    let layer = content(3_000_000);
    let digest = registry.push(&layer).await;

    let repository = client.repository(&registry.target(), None);
    let image = image(&repository).await.unwrap();
    assert_eq!(image.manifest.digest, digest);
    assert!(pull(&repository, &image.manifest.layers[0]).await.unwrap() == layer);
    assert!(repository.has_blob(&image.manifest.config.digest).await.unwrap());
    assert!(!repository.has_blob(&Digest::of(b"absent")).await.unwrap());
    let missing = repository.manifest(&TagOrDigest::Tag("2".into())).await.unwrap_err();
    assert!(missing.to_string().contains("no such tag"), "{missing}");
}

#[tokio::test]
async fn tls_trusts_the_extra_authority_and_nobody_else() {
    let trusting_nobody = client(NetworkPolicy::embedded());
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate =
        rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&key).unwrap().pem();
    let setup = Setup { tls: Some((certificate.clone(), key.serialize_pem())), password: None };
    let Some(registry) = Registry::start(setup) else { return };
    let digest = registry.push(b"layer").await;

    let error = image(&trusting_nobody.repository(&registry.target(), None)).await.unwrap_err();
    assert_eq!(error.code(), "registry.unreachable");
    assert!(error.to_string().contains("certificate"), "{error}");
    let policy = NetworkPolicy { extra_roots: vec![certificate.into_bytes()], ..NetworkPolicy::embedded() };
    let repository = client(policy).repository(&registry.target(), None);
    assert_eq!(image(&repository).await.unwrap().manifest.digest, digest);
}

#[tokio::test]
async fn a_password_is_asked_for_and_checked() {
    let client = client(NetworkPolicy::embedded());
    let Ok(made) = Command::new("htpasswd").args(["-Bbn", "me", "secret"]).output() else {
        eprintln!("skipped: htpasswd is not installed");
        return;
    };
    let setup = Setup { tls: None, password: Some(String::from_utf8(made.stdout).unwrap()) };
    let Some(registry) = Registry::start(setup) else { return };
    let digest = registry.push(b"layer").await;

    let as_who = |credentials| client.repository(&registry.target(), credentials);
    let me = as_who(Some(Credentials::new("me", "secret")));
    assert_eq!(image(&me).await.unwrap().manifest.digest, digest);
    let wrong = image(&as_who(Some(Credentials::new("me", "wrong")))).await.unwrap_err();
    assert_eq!(wrong.code(), "registry.unauthorized");
    assert_eq!(image(&as_who(None)).await.unwrap_err().code(), "registry.denied");
}
