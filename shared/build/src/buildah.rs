//! buildah on this machine: no daemon, each command in a sandbox of its own.
//!
//! ```text
//! parents ◄── build, in a sandbox with the outside ──► image in the hub's storage ──► push, in one without ──► taker
//! ```

use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;

use ipnet::IpNet;
use model::log::Stream;
use oci::manifest::Platform;
use oci::registry::Client;
use secrecy::ExposeSecret;
use tokio::fs;

use crate::job::{JobDir, Storage};
use crate::parents::{self, Mirror, Parents};
use crate::process::Ears;
use crate::receive::push::{PushDoor, REPOSITORY};
use crate::receive::{BuiltImage, Taker};
use crate::sandbox::{Plan, Sandbox, inside};
use crate::{BuildError, BuildRequest, Limits, Network, Say};

mod lines;
mod tidy;

use lines::Reading;

/// The programs that have to be there, and the Debian packages that have them.
pub const PROGRAMS: [(&str, &str); 4] =
    [("buildah", "buildah"), ("slirp4netns", "slirp4netns"), ("ip", "iproute2"), ("unshare", "util-linux")];

/// buildah, with what the operator has settled.
#[derive(Debug, Clone)]
pub struct Buildah {
    /// Pulls parents.
    pub client: Client,
    /// Networks that builds may reach although they are not public.
    pub allowed: Vec<IpNet>,
    /// Where parents are asked for first.
    pub mirrors: Vec<Mirror>,
    /// Bytes that a hub's base images and cached steps may take on the disk.
    pub cache: u64,
}

/// Where a build happens.
#[derive(Debug)]
pub struct Place<'a> {
    /// Its own directory, with the context in it.
    pub job: &'a JobDir,
    /// The hub's storage.
    pub storage: &'a Storage,
    /// What the build's cache mounts are shared with: builds of the same name in the hub.
    pub scope: &'a str,
}

impl Buildah {
    /// Is all there that it needs? Answers its version.
    ///
    /// # Errors
    /// `builder.unavailable`, with what to install.
    pub async fn verify(&self) -> Result<String, BuildError> {
        let lacking: Vec<&str> =
            PROGRAMS.iter().filter(|(name, _)| !is_there(name)).map(|(_, package)| *package).collect();
        if !lacking.is_empty() {
            let told = format!("Nothing can be built on this machine: install {}.", lacking.join(", "));
            return Err(BuildError::transient("builder.unavailable", told));
        }
        let said = tokio::process::Command::new("buildah").arg("--version").output().await;
        let said =
            said.map_err(|e| BuildError::transient("builder.unavailable", format!("buildah: {e}.")))?;
        Ok(String::from_utf8_lossy(&said.stdout).trim().to_owned())
    }

    /// Builds an image for each platform, and hands their layers over.
    ///
    /// # Errors
    /// Why the build failed, or what the taker said.
    pub async fn build<T: Taker>(
        &self,
        request: &BuildRequest,
        place: &Place<'_>,
        taker: &Arc<T>,
        say: &Say,
    ) -> Result<Vec<BuiltImage>, BuildError> {
        self.verify().await?;
        tidy::tidy(place.storage, self.cache).await;
        // One count for the whole build, however many commands it takes.
        let reading = Arc::new(Reading::default());
        let ears = Ears::new(reading.along(Arc::clone(say)), &request.limits);
        let mut images = Vec::new();
        for (number, platform) in request.platforms.iter().enumerate() {
            if request.platforms.len() > 1 {
                say(Stream::Platen, &format!("Building for {platform}."));
            }
            let id = self.image(request, place, platform, number, &ears, &reading).await?;
            reading.end(say);
            images.push(self.hand_over(request, place, &id, number, taker, &ears, &reading).await?);
        }
        Ok(images)
    }

    /// Builds; answers the image's id in the storage.
    async fn image(
        &self,
        request: &BuildRequest,
        place: &Place<'_>,
        platform: &str,
        number: usize,
        ears: &Ears,
        reading: &Reading,
    ) -> Result<String, BuildError> {
        let broken =
            |e: std::io::Error| BuildError::transient("factory.disk", format!("The build's files: {e}."));
        let file = place.job.context().join(&request.build_file);
        let dockerfile = fs::read(&file).await.map_err(broken)?;
        let dockerfile = String::from_utf8_lossy(&dockerfile);
        let hosts = parents::hosts(&dockerfile, request.args.values().map(String::as_str));
        let parents = Parents::new(self.client.clone(), hosts, request.logins.clone(), self.mirrors.clone());
        let parents = Arc::new(parents);

        let secrets = secrets(request, place.job).await.map_err(broken)?;
        let iid = format!("iid{number}");
        let mut command = buildah(place);
        command.extend(args(request, platform, &secrets, &iid));
        let mut sandbox =
            self.sandbox(place, &command, &format!("{}-b{number}", place.job.name()), request).await?;
        if !sandbox.is_bounded() && number == 0 {
            let told = "This machine gives the factory no control groups: memory and processes of builds have no bound.";
            ears.say(Stream::Platen, told);
        }
        let listener = sandbox.listen().await?;
        let address = listener.local_addr().map_err(broken)?;
        let configuration = parents.configuration(&address.to_string());
        // The sandbox has its own copy of `/etc/containers`, which is made before the port is known.
        fs::write(place.job.work("registries.conf"), configuration).await.map_err(broken)?;
        let serving = Arc::clone(&parents).serve(listener);
        if request.network == Network::Public {
            sandbox.connect(&self.allowed).await?;
        }
        let ended = sandbox.run(ears).await;
        serving.abort();
        let status = ended?;
        if !status.success() {
            return Err(parents.error().unwrap_or_else(|| reading.failure(status.code())));
        }
        let id = fs::read_to_string(place.job.work(&iid)).await.map_err(broken)?;
        Ok(id.trim().trim_start_matches("sha256:").to_owned())
    }

    #[expect(clippy::too_many_arguments, reason = "one step of a build, with all that it goes on")]
    async fn hand_over<T: Taker>(
        &self,
        request: &BuildRequest,
        place: &Place<'_>,
        id: &str,
        number: usize,
        taker: &Arc<T>,
        ears: &Ears,
        reading: &Reading,
    ) -> Result<BuiltImage, BuildError> {
        // The port is only known when the sandbox is there, and the command only read by then.
        let script = format!("exec \"$@\" \"docker://$(cat /job/push)/{REPOSITORY}:latest\"");
        let mut command: Vec<OsString> = ["sh", "-c", &script, "sh"].map(OsString::from).into();
        command.extend(buildah(place));
        // It would compress whatever it is told; at level 0 that costs a copy of the bytes.
        let gzip = ["--compression-format=gzip", "--compression-level=0"];
        command.extend(
            ["push", "-q"].iter().chain(&gzip).chain(&["--tls-verify=false", id]).map(OsString::from),
        );
        let name = format!("{}-p{number}", place.job.name());
        let sandbox = self.sandbox(place, &command, &name, request).await?;
        let mut door = PushDoor::open(sandbox.listen().await?, Arc::clone(taker))?;
        fs::write(place.job.work("push"), &door.address)
            .await
            .map_err(|e| BuildError::transient("factory.disk", format!("The build's files: {e}.")))?;
        let status = sandbox.run(ears).await?;
        match door.image() {
            Some(image) if status.success() => image,
            Some(Err(error)) => Err(error),
            _ => Err(reading.failure(status.code())),
        }
    }

    async fn sandbox(
        &self,
        place: &Place<'_>,
        command: &[OsString],
        name: &str,
        request: &BuildRequest,
    ) -> Result<Sandbox, BuildError> {
        let limits: &Limits = &request.limits;
        let files = [
            ("policy.json", r#"{"default":[{"type":"insecureAcceptAnything"}]}"#.to_owned()),
            ("containers.conf", "[containers]\nnetns = \"host\"\n".to_owned()),
        ];
        Sandbox::open(Plan {
            name,
            job: place.job.path(),
            storage: place.storage.path(),
            scope: place.scope,
            use_disk: request.use_disk,
            limits,
            command,
            files: &files,
        })
        .await
    }
}

/// The command, and where it keeps images.
fn buildah(_: &Place<'_>) -> Vec<OsString> {
    let mut command: Vec<OsString> = vec!["buildah".into(), "--root=/storage/images".into()];
    command.push(format!("--runroot={}", inside("run").display()).into());
    command.push("--storage-driver=overlay".into());
    command.push(format!("--registries-conf={}", inside("registries.conf").display()).into());
    command
}

fn args(request: &BuildRequest, platform: &str, secrets: &[String], iid: &str) -> Vec<OsString> {
    let context = inside("context");
    let mut args: Vec<OsString> = vec!["build".into()];
    let mut add = |arg: String| args.push(arg.into());
    // Format docker keeps HEALTHCHECK, SHELL and ONBUILD, which OCI's config has no place for.
    for fixed in
        ["--isolation=chroot", "--format=docker", "--layers", "--identity-label=false", "--http-proxy=false"]
    {
        add(fixed.to_owned());
    }
    // Named, it would warn of arguments that nobody used.
    if platform != Platform::host().to_string() {
        add(format!("--platform={platform}"));
    }
    add(format!("--iidfile={}", inside(iid).display()));
    add(format!("--file={}", context.join(&request.build_file).display()));
    if let Some(target) = &request.target {
        add(format!("--target={target}"));
    }
    for (name, value) in &request.args {
        add(format!("--build-arg={name}={value}"));
    }
    for id in secrets {
        add(format!("--secret=id={id},src={}", inside("secrets").join(id).display()));
    }
    add(context.display().to_string());
    args
}

/// Writes the build's secrets where only its sandbox sees them; answers their ids.
async fn secrets(request: &BuildRequest, job: &JobDir) -> std::io::Result<Vec<String>> {
    let dir = job.work("secrets");
    fs::create_dir_all(&dir).await?;
    let mut ids = Vec::new();
    for (id, secret) in &request.secrets {
        fs::write(dir.join(id), secret.expose_secret()).await?;
        ids.push(id.clone());
    }
    Ok(ids)
}

fn is_there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let more = ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin", "/bin"].map(std::path::PathBuf::from);
    std::env::split_paths(&path).chain(more).any(|dir| Path::new(&dir).join(program).is_file())
}
