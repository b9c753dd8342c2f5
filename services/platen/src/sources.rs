//! `platen sources`: list image sources.

use anyhow::Result;
use clap::Args;
use model::api::Source;

use crate::cli::Server;
use crate::client::Client;
use crate::output::{self, Format};

/// List image sources, newest first.
#[derive(Debug, Args)]
pub(crate) struct Sources {
    #[command(flatten)]
    server: Server,
    /// The form of the output.
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    output: Format,
}

pub(crate) async fn run(args: &Sources) -> Result<()> {
    let list = Client::new(&args.server)?.list::<Source>("/v1/images/sources?page[size]=500").await?;
    match args.output {
        Format::Json => output::json(&list.data),
        Format::Name => list.data.iter().try_for_each(|source| output::line(&source.identifier)),
        Format::Table => output::table(
            &["ID", "IDENTIFIER", "ORIGIN", "TARGET", "CREDENTIALS"],
            list.data.iter().map(|source| {
                vec![
                    source.id.to_string(),
                    source.identifier.clone(),
                    source.origin.kind().to_owned(),
                    source.origin.target().unwrap_or("-").to_owned(),
                    if source.has_credentials { "yes" } else { "no" }.to_owned(),
                ]
            }),
        ),
    }
}
