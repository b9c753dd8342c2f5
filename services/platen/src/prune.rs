//! `platen prune`: let unused images go.

use anyhow::Result;
use clap::Args;
use model::api::{self, PruneContents, PruneReport};
use reqwest::Method;

use crate::cli::Server;
use crate::client::Client;
use crate::output::{self, Format, size};

/// Let unused images go: live, and not pulled, for the minimum age.
#[derive(Debug, Args)]
pub(crate) struct Prune {
    #[command(flatten)]
    server: Server,
    /// Only images of this source; repeat it for more.
    #[arg(long)]
    source: Vec<String>,
    /// Only images live for at least this long: `15m`, `36h`, `7d`, `0s`.
    #[arg(long)]
    min_age: Option<String>,
    /// Keep this many of each source's newest live images.
    #[arg(long)]
    keep_last: Option<u32>,
    /// Only say what would go.
    #[arg(long)]
    dry_run: bool,
    /// The form of the output.
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    output: Format,
}

pub(crate) async fn run(args: &Prune) -> Result<()> {
    let contents = PruneContents {
        source_ids: Some(args.source.clone()).filter(|sources| !sources.is_empty()),
        min_age: args.min_age.clone(),
        keep_last: args.keep_last,
        dry_run: args.dry_run,
    };
    let client = Client::new(&args.server)?;
    let report: PruneReport =
        client.json(Method::POST, "/v1/images/tasks", &api::Prune::Prune { contents }).await?;
    match args.output {
        Format::Json => return output::json(&report),
        Format::Name => report.images.iter().try_for_each(|image| output::line(image.id.as_str()))?,
        Format::Table => output::table(
            &["ID", "NAME", "LAST USED", "REASON", "SIZE"],
            report.images.iter().map(|image| {
                let used = image
                    .last_used
                    .map_or_else(|| "never".to_owned(), |t| t.format("%Y-%m-%d %H:%M").to_string());
                vec![image.id.to_string(), image.name.clone(), used, image.reason.clone(), size(image.size)]
            }),
        )?,
    }
    let would = if report.dry_run { "would go, freeing" } else { "let go, freeing" };
    eprintln!("{} images {would} {}.", report.images.len(), size(report.bytes_freed));
    Ok(())
}
