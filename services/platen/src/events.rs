//! `platen events`: what happened, from the ledger.

use anyhow::Result;
use clap::Args;
use futures::StreamExt;
use model::api::LedgerEvent;
use reqwest::Method;
use serde::Deserialize;

use crate::cli::Server;
use crate::client::Client;
use crate::import::sse::Events as Sse;
use crate::output::{self, Format};

/// Print what happened in the hub, oldest first.
#[derive(Debug, Args)]
pub(crate) struct Events {
    #[command(flatten)]
    server: Server,
    /// Go on with what happens.
    #[arg(short, long)]
    follow: bool,
    /// Begin behind this cursor.
    #[arg(long, default_value_t = 0)]
    after: i64,
    /// The form of the output; JSON is one event a line.
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    output: Format,
}

#[derive(Deserialize)]
struct Page {
    data: Vec<LedgerEvent>,
    next: i64,
}

pub(crate) async fn run(args: &Events) -> Result<()> {
    let client = Client::new(&args.server)?;
    let mut after = args.after;
    loop {
        let request = client.request(Method::GET, &format!("/v1/events?after={after}"));
        let page: Page = client.send(request).await?.json().await?;
        for event in &page.data {
            print(args, event)?;
        }
        after = page.next;
        if page.data.is_empty() {
            break;
        }
    }
    if !args.follow {
        return Ok(());
    }
    // A broken connection is taken up again behind the last event seen.
    loop {
        let request = client.request(Method::GET, &format!("/v1/events?follow=true&after={after}"));
        let mut events = Sse::new(client.send(request).await?);
        while let Some(Ok(event)) = events.next().await {
            if let (Some(cursor), Ok(envelope)) = (event.id.parse().ok(), serde_json::from_str(&event.data)) {
                after = cursor;
                print(args, &LedgerEvent { cursor, event: envelope })?;
            }
        }
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
}

fn print(args: &Events, ledger: &LedgerEvent) -> Result<()> {
    let event = &ledger.event;
    match args.output {
        Format::Json => output::line(&serde_json::to_string(ledger)?),
        Format::Name => output::line(&event.id),
        Format::Table => {
            let time = event.time.map(|t| t.format("%H:%M:%S%.3f").to_string()).unwrap_or_default();
            let kind = event.kind.trim_start_matches("dev.platen.").trim_end_matches(".v1");
            let subject = event.subject.as_deref().unwrap_or("-");
            output::line(&format!("{time}  {kind:<24} {subject}  {}", event.data))
        }
    }
}
