//! `platen storage`: what the hub's images take.

use anyhow::Result;
use clap::Args;
use model::api;

use crate::cli::Server;
use crate::client::Client;
use crate::output::{self, Format, size};

/// Show what the hub's images take.
#[derive(Debug, Args)]
pub(crate) struct Storage {
    #[command(flatten)]
    server: Server,
    /// The form of the output.
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    output: Format,
}

pub(crate) async fn run(args: &Storage) -> Result<()> {
    let storage: api::Storage = Client::new(&args.server)?.get("/v1/hubs/current/image-storage").await?;
    if args.output == Format::Json {
        return output::json(&storage);
    }
    let limit = storage.limit.map_or_else(|| "none".to_owned(), size);
    output::table(
        &["IMAGES", "FLAT", "USED", "SHARED", "LIMIT"],
        [vec![
            storage.images.to_string(),
            size(storage.flat),
            size(storage.used),
            size(storage.flat.saturating_sub(storage.used)),
            limit,
        ]],
    )
}
