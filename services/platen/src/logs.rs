//! `platen logs NAME|ID`: an image's build log, once or following.

use anyhow::Result;
use clap::Args;
use model::api::BuildLog;

use crate::cli::Server;
use crate::client::Client;
use crate::import::follow::{Follow, Heard};
use crate::output::{self, Format};

/// Print an image's build log.
#[derive(Debug, Args)]
pub(crate) struct Logs {
    #[command(flatten)]
    server: Server,
    /// The image's id or name.
    image: String,
    /// Go on until the log is closed.
    #[arg(short, long)]
    follow: bool,
    /// Begin with this line, counted from 0.
    #[arg(long, default_value_t = 0)]
    from: i64,
    /// The form of the output.
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    output: Format,
}

pub(crate) async fn run(args: &Logs) -> Result<()> {
    let client = Client::new(&args.server)?;
    let image = client.image(&args.image).await?;
    if args.follow {
        let mut follow = Follow::new(client, image.id, args.from);
        loop {
            match follow.next().await? {
                Heard::Line(line) if args.output == Format::Json => {
                    output::line(&serde_json::to_string(&line)?)?
                }
                Heard::Line(line) => output::line(&line.line.line)?,
                Heard::Progress(_) => {}
                Heard::End => return Ok(()),
            }
        }
    }
    let log: BuildLog = client.get(&format!("/v1/images/{}/build-log?from={}", image.id, args.from)).await?;
    if args.output == Format::Json {
        return output::json(&log);
    }
    log.log.lines().try_for_each(output::line)
}
