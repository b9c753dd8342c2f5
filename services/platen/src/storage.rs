//! `platen storage`: what the hub's images take, by source and in all.
//!
//! SHARED of a source is what other sources use too; of all, what sharing saves.

use anyhow::Result;
use clap::Args;
use model::api;
use reqwest::Method;

use crate::cli::Server;
use crate::client::Client;
use crate::output::{self, Format, size};

/// Show what the hub's images take.
#[derive(Debug, Args)]
pub(crate) struct Storage {
    #[command(flatten)]
    server: Server,
    /// Have everything that is stored read again, at the rate that scrubs have (`PLATEN_SCRUB_RATE`).
    #[arg(long)]
    scrub: bool,
    /// The form of the output.
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    output: Format,
}

pub(crate) async fn run(args: &Storage) -> Result<()> {
    let client = Client::new(&args.server)?;
    let path = "/v1/hubs/current/image-storage";
    let storage: api::Storage = if args.scrub {
        client.json(Method::POST, &format!("{path}/scrub"), &()).await?
    } else {
        client.get(path).await?
    };
    if args.output == Format::Json {
        return output::json(&storage);
    }
    let mut rows: Vec<Vec<String>> = storage
        .sources
        .iter()
        .map(|s| {
            let shared = s.used.saturating_sub(s.own);
            vec![
                s.source.clone(),
                s.images.to_string(),
                size(s.flat),
                size(s.used),
                size(shared),
                size(s.own),
            ]
        })
        .collect();
    rows.push(vec![
        "(all)".to_owned(),
        storage.images.to_string(),
        size(storage.flat),
        size(storage.used),
        size(storage.shared),
        String::new(),
    ]);
    output::table(&["SOURCE", "IMAGES", "FLAT", "USED", "SHARED", "OWN"], rows)?;
    eprintln!();
    eprintln!("Not used by any image, to be reclaimed: {}.", size(storage.dead));
    if let Some(limit) = storage.limit {
        eprintln!("The hub may use {}.", size(limit));
    }
    if storage.damaged > 0 {
        eprintln!("{} images have damaged bytes: import them again.", storage.damaged);
    }
    Ok(())
}
