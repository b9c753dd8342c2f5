//! `platen import`: create, import, follow and report in one.

use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};
use model::State;
use model::api::Image;
use model::source::CodecName;
use reqwest::Method;
use serde_json::{Value, json};

use crate::cli::Server;
use crate::client::Client;
use crate::fail::Fail;
use crate::output::{self, Format, size};

mod building;
pub(crate) mod follow;
mod origin;
mod screen;
pub(crate) mod sse;
mod upload;

use building::Building;
use follow::{Follow, Heard};
use origin::Given;
use screen::Screen;

/// Create an image, import into it, follow the log, report: all in one.
#[derive(Debug, Args)]
pub(crate) struct Import {
    #[command(flatten)]
    pub server: Server,
    /// A reference (`nginx:1.29`, `registry.example/team/app@sha256:…`); an image's archive (OCI layout or docker-save tar,
    /// also gzip or zstd compressed) or OCI layout directory; or code to build: a directory, a repository
    /// (`https://git.example/a/b.git`, `git@git.example:a/b`), the address of a tar.
    pub source: String,
    /// A name for the image; also a tag to pull it by, where it is a valid one.
    #[arg(long)]
    pub name: Option<String>,
    /// The platforms: `all`, or `os/architecture[/variant]`, several separated by commas; the factory's own when not
    /// given.
    #[arg(long)]
    pub platform: Option<String>,
    #[command(flatten)]
    pub building: Building,
    /// Compression of the flat layer; gzip for clients that do not read zstd.
    #[arg(long, value_enum)]
    pub codec: Option<Codec>,
    /// User name at the registry.
    #[arg(long, env = "PLATEN_REGISTRY_USERNAME", requires = "registry_password")]
    pub registry_username: Option<String>,
    /// Password or token of that user.
    #[arg(long, env = "PLATEN_REGISTRY_PASSWORD", hide_env_values = true)]
    pub registry_password: Option<String>,
    /// Talk plain http to the registry; the factory's operator must have allowed its host.
    #[arg(long)]
    pub plain_http: bool,
    /// Do not wait: print the image as it is now.
    #[arg(long)]
    pub no_wait: bool,
    /// Give up waiting after this many seconds; the import itself goes on.
    #[arg(long, default_value_t = 3600)]
    pub timeout: u64,
    /// No progress and no log on standard error.
    #[arg(short, long)]
    pub quiet: bool,
    /// The form of the output.
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    pub output: Format,
}

/// Compression of a flat layer.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Codec {
    /// Smaller and faster.
    Zstd,
    /// For older clients.
    Gzip,
}

pub(crate) async fn run(args: &Import) -> Result<()> {
    let done = tokio::select! {
        done = tokio::time::timeout(Duration::from_secs(args.timeout), import(args)) => done,
        _ = tokio::signal::ctrl_c() => {
            let said = "Interrupted; the import goes on in the factory (`platen images`, `platen logs -f`).";
            return Err(Fail::Interrupted(said.to_owned()).into());
        }
    };
    let late = || {
        Fail::TimedOut(format!(
            "The import is not over after {} seconds; it goes on in the factory.",
            args.timeout
        ))
    };
    let (client, image) = done.map_err(|_| late())??;
    print(args, &client, &image)?;
    match image.state.error {
        Some(error) => Err(Fail::Failed { code: error.code, message: error.message }.into()),
        None => Ok(()),
    }
}

async fn import(args: &Import) -> Result<(Client, Image)> {
    let client = Client::new(&args.server)?;
    let given = origin::understand(args)?;
    let source = origin::ensure(&client, args, &given).await?;
    let mut body = json!({
        "source_id": source.id,
        "name": args.name.clone().unwrap_or_else(|| given.name().to_owned()),
        "import": true,
        "override": overrides(args, &given),
    });
    if let (true, Some(body)) = (given.is_built(), body.as_object_mut()) {
        body.insert("build".to_owned(), args.building.build()?);
        body.insert("builder".to_owned(), json!(args.building.builder()));
    }
    let created: Image = client.json(Method::POST, "/v1/images", &body).await?;
    let screen = Screen::new(args.quiet);
    if let (Given::Archive { path, .. } | Given::Directory { path, .. }, Some(ticket)) =
        (&given, &created.upload)
    {
        upload::send(&client, &created.id, ticket, path, &screen).await?;
    }
    if args.no_wait {
        let image = client.get(&format!("/v1/images/{}", created.id)).await?;
        return Ok((client, image));
    }
    watch(&client, &created, &screen).await?;
    let image = settled(&client, &created).await?;
    Ok((client, image))
}

fn overrides(args: &Import, given: &Given) -> Option<Value> {
    // The platforms of a build are its source's.
    let platform = args.platform.as_ref().filter(|_| !given.is_built());
    if args.codec.is_none() && platform.is_none() {
        return None;
    }
    let codec = match args.codec {
        Some(Codec::Gzip) => CodecName::Gzip,
        Some(Codec::Zstd) | None => CodecName::Zstd,
    };
    let mut flat = json!({ "codec": codec });
    if let (Some(platform), Some(flat)) = (platform, flat.as_object_mut()) {
        flat.insert("platform".to_owned(), json!(platform));
    }
    Some(json!({ "flat": flat }))
}

async fn watch(client: &Client, image: &Image, screen: &Screen) -> Result<()> {
    let mut follow = Follow::new(client.clone(), image.id.clone(), 0);
    loop {
        match follow.next().await? {
            Heard::Line(line) => screen.line(&line.line.line),
            Heard::Progress(progress) => screen.progress(&progress),
            Heard::End => break,
        }
    }
    screen.clear();
    Ok(())
}

/// The log may close a moment before or after the row changes hands.
async fn settled(client: &Client, created: &Image) -> Result<Image> {
    loop {
        let image: Image = client.get(&format!("/v1/images/{}", created.id)).await?;
        let over = matches!(image.state.current, State::Live | State::Deleting | State::Deleted)
            || (image.state.current == State::New && !image.state.importing);
        if over {
            return Ok(image);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn print(args: &Import, client: &Client, image: &Image) -> Result<()> {
    let pull = client.pull(image);
    match args.output {
        Format::Name => output::line(image.id.as_str()),
        Format::Json => {
            let mut value = serde_json::to_value(image)?;
            value.as_object_mut().context("an image is an object")?.insert("pull".to_owned(), json!(pull));
            output::json(&value)
        }
        Format::Table => {
            if image.state.error.is_some() {
                return Ok(());
            }
            output::line(&format!("id       {}", image.id))?;
            output::line(&format!("name     {}", output::printable(&image.name)))?;
            output::line(&format!("state    {}", image.state.current))?;
            if let (Some(flat), Some(digest), Some(diff_id)) = (&image.flat, &image.digest, &image.diff_id) {
                let f = &flat.figures;
                let each = f.platforms.len();
                let out =
                    if each > 1 { format!("1 out for each of {each} platforms") } else { "1 out".to_owned() };
                output::line(&format!("layers   {} in, {out}", f.layers_in))?;
                output::line(&format!("entries  {}", f.entries))?;
                output::line(&format!(
                    "bytes    {} in, {} flat ({} unpacked), {} new to the store",
                    size(f.bytes_in),
                    size(f.bytes_out),
                    size(f.bytes_plain),
                    size(f.bytes_new)
                ))?;
                output::line(&format!("digest   {digest}"))?;
                match f.platforms.as_slice() {
                    [] | [_] => output::line(&format!("diff_id  {diff_id}"))?,
                    several => several.iter().try_for_each(|one| {
                        output::line(&format!(
                            "diff_id  {} {}",
                            one.diff_id,
                            output::printable(&one.platform)
                        ))
                    })?,
                }
                let verified =
                    if flat.verified.as_ref() == Some(&f.certificate) { "verified" } else { "not verified" };
                output::line(&format!("tree     {} ({verified})", f.certificate))?;
            }
            for warning in &image.warnings {
                output::line(&format!("warning  {}", output::printable(warning)))?;
            }
            output::line(&format!("pull     {pull}"))
        }
    }
}
