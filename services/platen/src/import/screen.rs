//! Progress on a terminal: a bar for each layer above the log. Elsewhere: plain lines.

use std::collections::HashMap;
use std::io::IsTerminal;
use std::sync::Mutex;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use model::log::Progress;

use crate::output::printable;

/// Where log lines and progress go: standard error.
#[derive(Debug)]
pub(crate) struct Screen {
    quiet: bool,
    bars: Option<MultiProgress>,
    layers: Mutex<HashMap<usize, ProgressBar>>,
}

impl Screen {
    /// Looks whether there is somebody to look.
    pub(crate) fn new(quiet: bool) -> Self {
        let bars = (!quiet && std::io::stderr().is_terminal()).then(MultiProgress::new);
        Self { quiet, bars, layers: Mutex::default() }
    }

    /// A line of the log.
    pub(crate) fn line(&self, line: &str) {
        match &self.bars {
            _ if self.quiet => {}
            Some(bars) => {
                let _ = bars.println(printable(line));
            }
            None => eprintln!("{}", printable(line)),
        }
    }

    /// How far a layer is.
    pub(crate) fn progress(&self, progress: &Progress) {
        let Ok(mut layers) = self.layers.lock() else { return };
        let Some(bars) = &self.bars else { return };
        let bar = layers.entry(progress.layer).or_insert_with(|| {
            let short: String = progress.digest.trim_start_matches("sha256:").chars().take(12).collect();
            let name = format!("layer {}/{} {short}", progress.layer + 1, progress.layers);
            self.bar(bars, &name, progress.total)
        });
        bar.set_position(progress.done);
        if progress.total > 0 && progress.done >= progress.total {
            bar.finish();
        }
    }

    /// A bar of its own, for an upload.
    pub(crate) fn upload(&self, total: u64) -> Option<ProgressBar> {
        self.bars.as_ref().map(|bars| self.bar(bars, "upload", total))
    }

    fn bar(&self, bars: &MultiProgress, name: &str, total: u64) -> ProgressBar {
        let style = ProgressStyle::with_template(
            "{msg:<32} [{bar:30}] {bytes:>10} / {total_bytes:<10} {bytes_per_sec}",
        )
        .unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = bars.add(ProgressBar::new(total).with_style(style.progress_chars("=> ")));
        bar.set_message(name.to_owned());
        bar
    }

    /// Takes the bars away.
    pub(crate) fn clear(&self) {
        if let Some(bars) = &self.bars {
            let _ = bars.clear();
        }
    }
}
