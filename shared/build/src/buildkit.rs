//! Any BuildKit, by way of `docker buildx`: a Docker daemon's, one of its own behind TCP, or one the operator's buildx knows.
//!
//! Each build has a configuration directory of its own, so that no credentials are anybody else's. The image comes back as an OCI
//! layout on standard output, whose layers go on as they come. Memory, processes and disk are the endpoint's to bound.

use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::log::Stream;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};
use tokio::fs;
use tokio::process::Command;
use tokio::sync::Notify;
use tokio_util::io::SyncIoBridge;

use crate::job::JobDir;
use crate::process::Group;
use crate::receive::{BuiltImage, Taker, layout};
use crate::{BuildError, BuildRequest, Network, Say};

mod progress;

use progress::Progress;

/// Where a BuildKit is.
#[derive(Debug, Clone)]
pub enum Endpoint {
    /// The socket of a Docker daemon.
    Docker(PathBuf),
    /// The socket of a BuildKit daemon.
    Unix(PathBuf),
    /// Depot's machines, by its own command.
    Depot {
        /// The project's id.
        project: String,
        /// A token of the project.
        token: SecretString,
    },
    /// A BuildKit daemon behind TCP.
    Tcp {
        /// `host:port` that is connected to.
        address: String,
        /// The name its certificate has to be for, where that is another.
        name: Option<String>,
        /// Certificates; without them nothing is encrypted.
        tls: Option<Tls>,
    },
}

/// Certificates for both sides, each as PEM.
#[derive(Debug, Clone)]
pub struct Tls {
    /// Who has signed the server's certificate.
    pub ca: String,
    /// The client's certificate.
    pub cert: String,
    /// Its key.
    pub key: SecretString,
}

/// A BuildKit.
#[derive(Debug, Clone)]
pub struct BuildKit {
    /// Where it is.
    pub endpoint: Endpoint,
    /// The `docker` command with its buildx plugin; for Depot the `depot` command.
    pub docker: PathBuf,
}

fn disk(error: impl std::fmt::Display) -> BuildError {
    BuildError::transient("factory.disk", format!("The build's files cannot be written: {error}."))
}

impl BuildKit {
    /// Can it be reached? Answers its version. `scratch` is a directory for this call alone.
    ///
    /// # Errors
    /// `builder.unreachable`, `builder.tls`, `builder.unavailable`.
    pub async fn verify(&self, scratch: &Path) -> Result<String, BuildError> {
        let home = self.home(scratch, &[]).await?;
        let mut command = self.command(&home);
        if let Endpoint::Depot { .. } = &self.endpoint {
            // It tells its version without asking anybody; whether the token is good the first build shows.
            command.arg("version");
            let (out, _) = timed(Group::spawn(&mut command)?).await?;
            let version = out.lines().next().map(str::trim).filter(|line| !line.is_empty());
            return version.map(str::to_owned).ok_or_else(|| self.unavailable());
        }
        command.args(["buildx", "inspect", "--bootstrap"]).arg(self.builder());
        let output = timed(Group::spawn(&mut command)?).await?;
        let (out, err) = output;
        let line =
            |name: &str| out.lines().find_map(|l| l.trim().strip_prefix(name)).map(|v| v.trim().to_owned());
        if let Some(error) = line("Error:") {
            return Err(Progress::new(Arc::new(|_, _| ())).told(&error));
        }
        let version = line("BuildKit version:").or(line("Buildkit:"));
        version.ok_or_else(|| Progress::new(Arc::new(|_, _| ())).told(last(&err)))
    }

    /// Builds an image for each platform, and hands their layers over.
    ///
    /// # Errors
    /// Why the build failed, or what the taker said.
    pub async fn build<T: Taker>(
        &self,
        request: &BuildRequest,
        job: &JobDir,
        taker: &Arc<T>,
        say: &Say,
    ) -> Result<Vec<BuiltImage>, BuildError> {
        let home = self.home(job.path(), &auths(request)).await?;
        let mut command = self.command(&home);
        match &self.endpoint {
            Endpoint::Depot { project, .. } => command.args(["build", "--project", project]),
            _ => command.args(["buildx", "build"]).arg(format!("--builder={}", self.builder())),
        };
        command.args(["--progress=rawjson", "--provenance=false", "--sbom=false"]);
        command.args(["--output=type=oci,dest=-,compression=uncompressed,force-compression=true"]);
        command.arg(format!("--platform={}", request.platforms.join(",")));
        command.arg("--file").arg(request.context.join(&request.build_file));
        if let Some(target) = &request.target {
            command.arg(format!("--target={target}"));
        }
        if request.network == Network::None {
            command.arg("--network=none");
        }
        for (name, value) in &request.args {
            command.arg(format!("--build-arg={name}={value}"));
        }
        let secrets = home.join("secrets");
        fs::create_dir_all(&secrets).await.map_err(disk)?;
        for (id, secret) in &request.secrets {
            let file = secrets.join(id);
            fs::write(&file, secret.expose_secret()).await.map_err(disk)?;
            command.arg(format!("--secret=id={id},src={}", file.display()));
        }
        command.arg("--").arg(&request.context);
        let group = Group::spawn(&mut command)?;
        let time = request.limits.time;
        match tokio::time::timeout(time, self.run(group, request, taker, say)).await {
            Ok(built) => built,
            Err(_) => {
                let told = format!("The build was not done within {} seconds.", time.as_secs());
                Err(BuildError::permanent("build.time", told))
            }
        }
    }

    async fn run<T: Taker>(
        &self,
        mut group: Group,
        request: &BuildRequest,
        taker: &Arc<T>,
        say: &Say,
    ) -> Result<Vec<BuiltImage>, BuildError> {
        let (Some(out), Some(err)) = (group.child.stdout.take(), group.child.stderr.take()) else {
            return Err(self.unavailable());
        };
        let (most, heard, through) = (request.limits.log, AtomicU64::new(0), Arc::clone(say));
        let too_much = Arc::new(Notify::new());
        let bound = Arc::clone(&too_much);
        // Everything beyond the bound is dropped, and then so is the build.
        let say: Say = Arc::new(move |stream: Stream, line: &str| {
            if heard.fetch_add(line.len() as u64 + 1, Ordering::Relaxed) <= most {
                through(stream, line);
            } else {
                bound.notify_one();
            }
        });
        let told = tokio::task::spawn_blocking({
            let err = SyncIoBridge::new(err);
            move || {
                let mut progress = Progress::new(say);
                progress.read(err).map(|()| progress)
            }
        });
        let layout = layout::receive(SyncIoBridge::new(out), Arc::clone(taker));
        let done = async {
            let (layout, told) = tokio::join!(layout, told);
            let status: Result<ExitStatus, _> = group.wait().await;
            (layout, told, status)
        };
        let (layout, told, status) = tokio::select! {
            done = done => done,
            () = too_much.notified() => {
                let told = format!("The build printed more than {most} bytes.");
                return Err(BuildError::permanent("build.log", told));
            }
        };
        let progress = told.ok().and_then(Result::ok);
        if !status.is_ok_and(|status| status.success()) {
            // Where nothing else is wrong, it ended because what it sent could not be taken.
            if let (Err(error), Some(progress)) = (&layout, &progress)
                && !progress.says_why()
            {
                return Err(error.clone());
            }
            return Err(progress.map_or_else(|| self.unavailable(), |progress| progress.failure()));
        }
        let mut images = layout?;
        // As they were asked for.
        let place = |image: &BuiltImage| {
            let own = image.config.platform.to_string();
            request.platforms.iter().position(|platform| *platform == own).unwrap_or(usize::MAX)
        };
        images.sort_by_key(place);
        Ok(images)
    }

    /// A private configuration directory, with the builder in it.
    async fn home(&self, dir: &Path, auths: &[(String, String)]) -> Result<PathBuf, BuildError> {
        let home = dir.join("buildx");
        fs::create_dir_all(home.join("certs")).await.map_err(disk)?;
        fs::set_permissions(&home, std::os::unix::fs::PermissionsExt::from_mode(0o700))
            .await
            .map_err(disk)?;
        let auths: Map<String, Value> =
            auths.iter().map(|(host, auth)| (host.clone(), json!({ "auth": auth }))).collect();
        // The plugin lies beside the command, where it was not installed for everybody.
        let beside =
            self.docker.parent().and_then(Path::parent).map(|dir| dir.join("libexec/docker/cli-plugins"));
        let plugins: Vec<PathBuf> = beside.into_iter().collect();
        let config = json!({ "auths": auths, "cliPluginsExtraDirs": plugins });
        fs::write(home.join("config.json"), config.to_string()).await.map_err(disk)?;
        let mut create = self.command(&home);
        create.args(["buildx", "create", "--name=platen", "--driver=remote"]);
        match &self.endpoint {
            Endpoint::Docker(_) | Endpoint::Depot { .. } => return Ok(home),
            Endpoint::Unix(path) => _ = create.arg(format!("unix://{}", path.display())),
            Endpoint::Tcp { address, name, tls } => {
                if let Some(tls) = tls {
                    let files =
                        [("ca", tls.ca.as_str()), ("cert", &tls.cert), ("key", tls.key.expose_secret())];
                    for (file, text) in files {
                        let path = home.join("certs").join(file);
                        fs::write(&path, text).await.map_err(disk)?;
                        let option = if file == "ca" { "cacert" } else { file };
                        create.arg(format!("--driver-opt={option}={}", path.display()));
                    }
                    if let Some(name) = name {
                        create.arg(format!("--driver-opt=servername={name}"));
                    }
                }
                create.arg(format!("tcp://{address}"));
            }
        }
        let mut group = Group::spawn(&mut create)?;
        let status = group.wait().await.map_err(disk)?;
        if status.success() { Ok(home) } else { Err(self.unavailable()) }
    }

    fn unavailable(&self) -> BuildError {
        let told = match &self.endpoint {
            Endpoint::Depot { .. } => {
                "Depot's command `depot` cannot be used on the factory's machine: install it."
            }
            _ => {
                "`docker buildx` cannot be used on the factory's machine: install Docker's command with that plugin."
            }
        };
        BuildError::transient("builder.unavailable", told)
    }

    fn builder(&self) -> &'static str {
        if matches!(self.endpoint, Endpoint::Docker(_)) { "default" } else { "platen" }
    }

    fn command(&self, home: &Path) -> Command {
        let mut command = Group::command(&self.docker);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", home).env("DOCKER_CONFIG", home).env("BUILDX_CONFIG", home);
        match &self.endpoint {
            Endpoint::Docker(path) => command.env("DOCKER_HOST", format!("unix://{}", path.display())),
            Endpoint::Depot { token, .. } => command.env("DEPOT_TOKEN", token.expose_secret()),
            // Nothing but the builder is asked.
            Endpoint::Unix(_) | Endpoint::Tcp { .. } => command.env("DOCKER_HOST", "unix:///nonexistent"),
        };
        command
    }
}

/// The last line: buildx tells there why it ended.
fn last(text: &str) -> &str {
    text.trim().lines().last().unwrap_or("it said nothing")
}

/// What docker's configuration calls `auths`: the host, and `user:password` in base64.
fn auths(request: &BuildRequest) -> Vec<(String, String)> {
    let one = |login: &crate::ParentLogin| {
        let pair = format!("{}:{}", login.username, login.password.expose_secret());
        let host = if login.host == "docker.io" { "https://index.docker.io/v1/" } else { &login.host };
        (host.to_owned(), STANDARD.encode(pair))
    };
    request.logins.iter().map(one).collect()
}

/// What a command that should be quick has printed.
async fn timed(mut group: Group) -> Result<(String, String), BuildError> {
    let (out, err) = (group.child.stdout.take(), group.child.stderr.take());
    let read = |from: Option<Box<dyn tokio::io::AsyncRead + Unpin + Send>>| async {
        let mut text = String::new();
        if let Some(mut from) = from {
            let _ = tokio::io::AsyncReadExt::read_to_string(&mut from, &mut text).await;
        }
        text
    };
    let both =
        async { tokio::join!(read(out.map(|o| Box::new(o) as _)), read(err.map(|e| Box::new(e) as _))) };
    let late = |_| BuildError::transient("builder.unreachable", "The builder does not answer.");
    tokio::time::timeout(std::time::Duration::from_secs(30), both).await.map_err(late)
}
