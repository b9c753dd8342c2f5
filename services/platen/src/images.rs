//! `platen images`: list images.

use anyhow::Result;
use clap::Args;
use model::api::Image;

use crate::cli::Server;
use crate::client::Client;
use crate::output::{self, Format};

/// List images, newest first.
#[derive(Debug, Args)]
pub(crate) struct Images {
    #[command(flatten)]
    server: Server,
    /// Only in this state.
    #[arg(long)]
    state: Option<model::State>,
    /// Only of this source.
    #[arg(long)]
    source: Option<String>,
    /// How many.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=500))]
    limit: u16,
    /// The form of the output.
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    output: Format,
}

pub(crate) async fn run(args: &Images) -> Result<()> {
    let client = Client::new(&args.server)?;
    let mut url = url::Url::parse("http://x/")?;
    url.query_pairs_mut().append_pair("page[size]", &args.limit.to_string());
    if let Some(state) = args.state {
        url.query_pairs_mut().append_pair("filter[state]", state.as_str());
    }
    if let Some(source) = &args.source {
        url.query_pairs_mut().append_pair("filter[source]", source);
    }
    let list = client.list::<Image>(&format!("/v1/images?{}", url.query().unwrap_or_default())).await?;
    match args.output {
        Format::Json => output::json(&list.data),
        Format::Name => list.data.iter().try_for_each(|image| output::line(image.id.as_str())),
        Format::Table => output::table(
            &["ID", "NAME", "SOURCE", "STATE", "SIZE", "CREATED"],
            list.data.iter().map(|image| {
                vec![
                    image.id.to_string(),
                    image.name.clone(),
                    image.source.identifier.clone(),
                    state(image),
                    image.size.map_or_else(|| "-".to_owned(), output::size),
                    image.events.created.format("%Y-%m-%d %H:%M").to_string(),
                ]
            }),
        ),
    }
}

fn state(image: &Image) -> String {
    match (&image.state.error, image.state.retry_at) {
        (Some(error), _) => format!("{} ({})", image.state.current, error.code),
        (None, Some(at)) => format!("{} (again at {})", image.state.current, at.format("%Y-%m-%d %H:%M:%S")),
        (None, None) => image.state.current.to_string(),
    }
}
