//! `platen verify IMAGE`: pull an image as a server would, and compute again everything it is known by.
//!
//! The factory did so before the image went live. This trusts nothing of that: it reads what is served now, computes
//! every digest, diff_id and certificate from those bytes on this machine, and holds them against what the API tells.

use anyhow::{Context as _, Result};
use clap::Args;
use flatten::{Certificate, ReadBack, read_back};
use futures::TryStreamExt;
use model::api::Image;
use model::image::FlatPlatform;
use oci::digest::Digest;
use oci::manifest::{Document, ImageConfig, ImageManifest, MAX_DOCUMENT};
use serde::Serialize;
use tokio_util::io::{StreamReader, SyncIoBridge};

use crate::cli::Server;
use crate::client::Client;
use crate::fail::Fail;
use crate::output::{self, Format};

/// Pull an image and compute its digests, diff_ids and certificates again, on this machine.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    #[command(flatten)]
    server: Server,
    /// The image's id or name.
    image: String,
    /// The form of the output.
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    output: Format,
}

/// What was computed.
#[derive(Debug, Serialize)]
struct Report {
    id: String,
    digest: String,
    certificate: String,
    verified: bool,
    platforms: Vec<Found>,
}

/// What was computed for one platform.
#[derive(Debug, Serialize)]
struct Found {
    platform: String,
    digest: String,
    layer: String,
    diff_id: String,
    certificate: String,
}

fn wrong(what: &str, found: &str, told: &str) -> anyhow::Error {
    let message = format!("what is served is not what the image claims: its {what} is {found}, not {told}");
    Fail::Failed { code: "verify.mismatch".to_owned(), message }.into()
}

fn same(what: &str, found: &str, told: &str) -> Result<()> {
    if found == told { Ok(()) } else { Err(wrong(what, found, told)) }
}

pub(crate) async fn run(args: &Verify) -> Result<()> {
    let client = Client::new(&args.server)?;
    let image = client.image(&args.image).await?;
    let (Some(digest), Some(flat)) = (&image.digest, &image.flat) else {
        let message = format!("{} is {}: there is nothing to verify", image.id, image.state.current);
        return Err(Fail::Failed { code: "verify.not_live".to_owned(), message }.into());
    };
    let mut found = Vec::new();
    for (name, manifest) in manifests(&client, &image, digest).await? {
        let told = flat.figures.platforms.iter().find(|platform| platform.digest == name);
        let told = told.ok_or_else(|| wrong("index", &format!("one that lists {name}"), "the image's"))?;
        found.push(platform(&client, &image, &manifest, told).await?);
    }
    if found.len() != flat.figures.platforms.len() {
        let told = flat.figures.platforms.len().to_string();
        return Err(wrong("number of platforms", &found.len().to_string(), &told));
    }
    let each = found.iter().map(|f| (f.platform.as_str(), f.certificate.as_str()));
    let certificate = Certificate::of_platforms(each).to_string();
    same("certificate", &certificate, &flat.figures.certificate)?;
    let report = Report {
        id: image.id.to_string(),
        digest: digest.clone(),
        certificate,
        verified: true,
        platforms: found,
    };
    match args.output {
        Format::Json => output::json(&report),
        Format::Name => output::line(&report.id),
        Format::Table => output::table(
            &["PLATFORM", "DIFF_ID", "CERTIFICATE", "VERIFIED"],
            report
                .platforms
                .into_iter()
                .map(|f| vec![f.platform, f.diff_id, f.certificate, "yes".to_owned()]),
        ),
    }
}

/// The image's manifests, by digest, each held to it.
async fn manifests(client: &Client, image: &Image, digest: &str) -> Result<Vec<(String, ImageManifest)>> {
    let document = |body| Document::parse(body, None).context("a manifest that is served cannot be read");
    match document(client.document(image, "manifests", digest, MAX_DOCUMENT).await?)? {
        Document::Manifest(manifest) => {
            same("manifest", &manifest.digest.to_string(), digest)?;
            Ok(vec![(digest.to_owned(), manifest)])
        }
        Document::Index(index) => {
            same("index", &index.digest.to_string(), digest)?;
            let mut found = Vec::new();
            for entry in &index.manifests {
                let digest = entry.digest.to_string();
                let body = client.document(image, "manifests", &digest, MAX_DOCUMENT).await?;
                same("manifest", &Digest::of(&body).to_string(), &digest)?;
                match document(body)? {
                    Document::Manifest(manifest) => found.push((digest, manifest)),
                    Document::Index(_) => {
                        return Err(wrong("index", "one that lists an index", "the image's"));
                    }
                }
            }
            Ok(found)
        }
    }
}

async fn platform(
    client: &Client,
    image: &Image,
    manifest: &ImageManifest,
    told: &FlatPlatform,
) -> Result<Found> {
    let config = manifest.config.digest.to_string();
    let body = client.document(image, "blobs", &config, MAX_DOCUMENT).await?;
    same("config", &Digest::of(&body).to_string(), &config)?;
    let config = ImageConfig::parse(body).context("a config that is served cannot be read")?;
    let ([layer], [diff_id]) = (manifest.layers.as_slice(), config.diff_ids.as_slice()) else {
        return Err(wrong("number of layers", &manifest.layers.len().to_string(), "1"));
    };
    same("layer", &layer.digest.to_string(), &told.layer)?;
    let read = blob(client, image, &told.layer).await?;
    let found = Found {
        platform: told.platform.clone(),
        digest: told.digest.clone(),
        layer: Digest::from_sha256(read.digest).to_string(),
        diff_id: Digest::from_sha256(read.diff_id).to_string(),
        certificate: read.certificate.to_string(),
    };
    same("layer's digest", &found.layer, &told.layer)?;
    same("diff_id", &found.diff_id, &told.diff_id)?;
    same("config's diff_id", &diff_id.to_string(), &found.diff_id)?;
    same("certificate", &found.certificate, &told.certificate)?;
    Ok(found)
}

/// Reads a layer as it comes in; nothing is kept.
async fn blob(client: &Client, image: &Image, digest: &str) -> Result<ReadBack> {
    let response = client.pulled(image, "blobs", digest).await?;
    let stream = StreamReader::new(response.bytes_stream().map_err(std::io::Error::other));
    let reader = SyncIoBridge::new(Box::pin(stream));
    let read = tokio::task::spawn_blocking(move || read_back(reader)).await?;
    read.map_err(|error| {
        let message = format!("the layer {digest} that is served cannot be read: {error}");
        Fail::Failed { code: "verify.unreadable".to_owned(), message }.into()
    })
}
