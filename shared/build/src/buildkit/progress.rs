//! BuildKit's progress (`--progress rawjson`, BuildKit's `client.SolveStatus` as JSON) as lines for people.

use std::collections::HashMap;
use std::io::{self, BufRead, Read};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::log::Stream;
use serde::Deserialize;

use crate::{BuildError, Say};

/// The longest piece of a line that is passed on at once, in bytes.
const PIECE: usize = 64 << 10;

/// A step that takes less, in seconds, is not worth a line.
const TOLD: f64 = 0.1;

/// Lines that are no progress and are kept to find the reason in.
const KEPT: usize = 40;

/// Bytes that an object may have.
const MOST: u64 = 16 << 20;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Status {
    vertexes: Vec<Vertex>,
    logs: Vec<Log>,
    warnings: Vec<Warning>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Vertex {
    digest: String,
    name: String,
    started: Option<String>,
    completed: Option<String>,
    cached: bool,
    error: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Log {
    vertex: String,
    /// 1 for standard output, 2 for standard error.
    stream: i64,
    data: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Warning {
    short: String,
}

#[derive(Debug, Default)]
struct Step {
    /// `STEP 2/5: RUN …`; empty for what is BuildKit's own business.
    title: String,
    told: bool,
    over: bool,
    cached: bool,
    /// What was printed of a line that has not ended.
    open: [Vec<u8>; 2],
}

/// Reads progress to its end.
pub(super) struct Progress {
    say: Say,
    steps: HashMap<String, Step>,
    /// Who spoke last.
    speaker: String,
    failed: Option<(String, String)>,
    last: Vec<String>,
}

impl Progress {
    pub(super) fn new(say: Say) -> Self {
        Self { say, steps: HashMap::new(), speaker: String::new(), failed: None, last: Vec::new() }
    }

    /// Reads objects, each on a line of its own or over several as `{`, …, `}`; what is none is kept. Blocking.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn read(&mut self, from: impl Read) -> io::Result<()> {
        let mut from = io::BufReader::new(from);
        let (mut line, mut object) = (Vec::new(), Vec::new());
        loop {
            line.clear();
            // A line of the output is a part of an object, and objects are small; more is not believed.
            if (&mut from).take(MOST).read_until(b'\n', &mut line)? == 0 {
                return Ok(());
            }
            let begins = line.first() == Some(&b'{');
            if !begins && object.is_empty() {
                self.keep(&line);
                continue;
            }
            object.extend_from_slice(&line);
            let ended = line.trim_ascii_end() == b"}" || (begins && line.trim_ascii_end().ends_with(b"}"));
            if ended || object.len() as u64 > MOST {
                match serde_json::from_slice(&object) {
                    Ok(status) => self.take(status),
                    Err(_) => self.keep(&object),
                }
                object.clear();
            }
        }
    }

    /// What is no object is for people: buildx tells there why it ended.
    fn keep(&mut self, line: &[u8]) {
        if self.last.len() == KEPT {
            self.last.remove(0);
        }
        self.last.push(String::from_utf8_lossy(line).trim_end().to_owned());
    }

    fn take(&mut self, status: Status) {
        for vertex in status.vertexes {
            self.vertex(&vertex);
        }
        for log in status.logs {
            self.log(&log);
        }
        for warning in status.warnings {
            let text = STANDARD.decode(&warning.short).unwrap_or_default();
            (self.say)(Stream::Platen, &format!("Warning: {}", String::from_utf8_lossy(&text).trim_end()));
        }
    }

    fn vertex(&mut self, vertex: &Vertex) {
        let step = self.steps.entry(vertex.digest.clone()).or_default();
        if step.title.is_empty() {
            step.title = title(&vertex.name).unwrap_or_default();
        }
        if step.title.is_empty() {
            if !vertex.error.is_empty() {
                self.failed.get_or_insert((String::new(), vertex.error.clone()));
            }
            return;
        }
        if (vertex.started.is_some() || vertex.cached) && !step.told {
            step.told = true;
            self.speaker.clone_from(&vertex.digest);
            (self.say)(Stream::Stdout, &step.title);
        }
        if vertex.cached && !step.cached {
            step.cached = true;
            (self.say)(Stream::Platen, "CACHED");
        }
        if vertex.completed.is_some() && !step.over && step.told {
            step.over = true;
            let took = seconds(vertex.started.as_deref(), vertex.completed.as_deref());
            for (place, stream) in [Stream::Stdout, Stream::Stderr].into_iter().enumerate() {
                if let Some(open) = step.open.get_mut(place).filter(|open| !open.is_empty()) {
                    (self.say)(stream, &String::from_utf8_lossy(&std::mem::take(open)));
                }
            }
            if !vertex.error.is_empty() {
                self.failed.get_or_insert((step.title.clone(), vertex.error.clone()));
            } else if took >= TOLD && !step.cached {
                let number = step.title.split(": ").next().unwrap_or_default();
                (self.say)(Stream::Platen, &format!("{number} done in {took:.1} s"));
            }
        }
    }

    fn log(&mut self, log: &Log) {
        let Ok(data) = STANDARD.decode(&log.data) else { return };
        let step = self.steps.entry(log.vertex.clone()).or_default();
        // Steps may run side by side: whose the lines are is told when the speaker changes.
        if self.speaker != log.vertex && !step.title.is_empty() {
            self.speaker.clone_from(&log.vertex);
            let number = step.title.split(": ").next().unwrap_or_default();
            (self.say)(Stream::Platen, &format!("{number} goes on:"));
        }
        let (stream, place) = if log.stream == 2 { (Stream::Stderr, 1) } else { (Stream::Stdout, 0) };
        let Some(open) = step.open.get_mut(place) else { return };
        let mut parts = data.split(|byte| *byte == b'\n').peekable();
        while let Some(part) = parts.next() {
            open.extend_from_slice(part);
            let ended = parts.peek().is_some();
            if ended || open.len() >= PIECE {
                (self.say)(stream, String::from_utf8_lossy(open).trim_end_matches('\r'));
                open.clear();
            }
        }
    }

    /// What an error means that was told in another way.
    pub(super) fn told(&self, error: &str) -> BuildError {
        failure(error.trim_start_matches("ERROR: "), None)
    }

    /// Has it been told why it ended?
    pub(super) fn says_why(&self) -> bool {
        self.failed.is_some() || self.last.iter().any(|line| line.starts_with("ERROR: "))
    }

    /// Why it ended, after it failed.
    pub(super) fn failure(&self) -> BuildError {
        let told = self.last.iter().rev().find_map(|line| line.strip_prefix("ERROR: "));
        let told = told.or(self.last.last().map(String::as_str)).unwrap_or("buildx said nothing").trim();
        failure(told, self.failed.as_ref())
    }
}

/// `[base 2/3] RUN x` is `STEP base 2/3: RUN x`.
fn title(name: &str) -> Option<String> {
    let (number, rest) = name.strip_prefix('[')?.split_once("] ")?;
    let counted = number.rsplit(' ').next().is_some_and(|last| {
        last.split_once('/').is_some_and(|(a, b)| a.parse::<u32>().is_ok() && b.parse::<u32>().is_ok())
    });
    counted.then(|| format!("STEP {number}: {rest}"))
}

/// Seconds between two times as BuildKit writes them.
fn seconds(from: Option<&str>, to: Option<&str>) -> f64 {
    let read = |text: &str| chrono::DateTime::parse_from_rfc3339(text).ok();
    match (from.and_then(read), to.and_then(read)) {
        (Some(from), Some(to)) => (to - from).as_seconds_f64(),
        _ => 0.0,
    }
}

fn failure(told: &str, failed: Option<&(String, String)>) -> BuildError {
    let has = |words: &[&str]| words.iter().any(|word| told.contains(word));
    if let Some((title, error)) = failed
        && !title.is_empty()
        && let Some((_, code)) = error.rsplit_once("exit code: ")
    {
        return BuildError::permanent(
            "build.failed",
            format!("{title}: ended with exit code {}.", code.trim()),
        );
    }
    let plain = told.strip_prefix("failed to solve: ").unwrap_or(told);
    if has(&[
        "dockerfile parse error",
        "unknown instruction",
        "no build stage in current context",
        "file with no instructions",
    ]) {
        return BuildError::permanent("build.dockerfile", format!("The Dockerfile cannot be read: {plain}."));
    }
    if has(&[
        "failed to resolve source metadata",
        "pull access denied",
        "failed to authorize",
        "failed to fetch oauth token",
    ]) {
        return if has(&["denied", "authoriz", "401", "403"]) {
            BuildError::permanent(
                "build.parent_denied",
                format!("A parent image may not be pulled: {plain}."),
            )
        } else if has(&["not found"]) {
            BuildError::permanent("build.parent_missing", format!("There is no such parent image: {plain}."))
        } else {
            BuildError::transient(
                "build.parent_unreachable",
                format!("A parent image cannot be pulled: {plain}."),
            )
        };
    }
    if failed.is_none() && has(&["x509", "tls:", "certificate", "authentication handshake failed"]) {
        return BuildError::permanent(
            "builder.tls",
            format!("The builder's certificates do not fit: {plain}."),
        );
    }
    let away = [
        "connection refused",
        "failed to dial",
        "Cannot connect",
        "no such host",
        "deadline exceeded",
        "failed to list workers",
        "i/o timeout",
        "connection error",
        "no such file or directory",
        "EOF",
    ];
    if failed.is_none() && has(&away) {
        // Where certificates do not fit, gRPC often tells no more than that it waited.
        let told = if has(&["deadline exceeded"]) { "; or its certificates do not fit" } else { "" };
        return BuildError::transient(
            "builder.unreachable",
            format!("The builder cannot be reached: {plain}{told}."),
        );
    }
    match failed {
        Some((title, error)) if !title.is_empty() => {
            BuildError::permanent("build.failed", format!("{title}: {error}."))
        }
        Some((_, error)) => BuildError::permanent("build.failed", format!("The build failed: {error}.")),
        None => BuildError::permanent("build.failed", format!("The build failed: {plain}.")),
    }
}

#[cfg(test)]
mod tests;
