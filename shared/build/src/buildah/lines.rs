//! What buildah prints, as people are told: steps with their numbers and times, and why the build ended.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use model::log::Stream;

use crate::{BuildError, Say};

/// Lines of standard error that are kept to find the reason in.
const KEPT: usize = 20;

/// A step that takes less is not worth a line.
const TOLD: f64 = 0.1;

/// Reads along.
#[derive(Debug, Default)]
pub(super) struct Reading(Mutex<Read>);

#[derive(Debug, Default)]
struct Read {
    step: Option<(String, Instant)>,
    cached: bool,
    last: Vec<String>,
}

impl Reading {
    /// Passes lines on to `say`.
    pub(super) fn along(self: &Arc<Self>, say: Say) -> Say {
        let reading = Arc::clone(self);
        Arc::new(move |stream, line| {
            if let Some(line) = reading.take(stream, line, &say) {
                say(stream, line);
            }
        })
    }

    /// The step that a line was said in has ended when the next begins.
    pub(super) fn end(&self, say: &Say) {
        let mut read = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        read.end(say);
    }

    fn take<'t>(&self, stream: Stream, line: &'t str, say: &Say) -> Option<&'t str> {
        let mut read = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if stream == Stream::Stderr {
            if read.last.len() == KEPT {
                read.last.remove(0);
            }
            read.last.push(line.to_owned());
            return Some(line);
        }
        if is_step(line) {
            read.end(say);
            read.step = Some((line.to_owned(), Instant::now()));
            read.cached = false;
        } else if let Some(rest) =
            line.strip_prefix("--> ").or_else(|| line.split_once(" --> ").map(|(_, rest)| rest))
        {
            if rest.starts_with("Using cache") && !read.cached {
                read.cached = true;
                say(Stream::Platen, "CACHED");
            }
            // The ids of intermediate images are nobody's business.
            return None;
        }
        Some(line)
    }

    /// Why it ended, after it failed with `status`.
    pub(super) fn failure(&self, status: Option<i32>) -> BuildError {
        let read = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let told = read.last.iter().rev().find_map(|line| line.strip_prefix("Error: "));
        let told = told.or(read.last.last().map(String::as_str)).unwrap_or("buildah said nothing").trim();
        let step = read.step.as_ref().map(|(step, _)| step.as_str());
        failure(told, step, status)
    }
}

impl Read {
    fn end(&mut self, say: &Say) {
        if let Some((_, began)) = self.step.take() {
            let took = began.elapsed().as_secs_f64();
            if took >= TOLD && !self.cached {
                say(Stream::Platen, &format!("done in {took:.1} s"));
            }
        }
    }
}

/// `STEP 2/3: RUN …`, behind `[1/2] ` where there are stages.
fn is_step(line: &str) -> bool {
    let line = match line.strip_prefix('[') {
        Some(rest) => rest.split_once("] ").map_or(line, |(_, rest)| rest),
        None => line,
    };
    line.starts_with("STEP ") && line.contains('/') && line.contains(": ")
}

fn failure(told: &str, step: Option<&str>, status: Option<i32>) -> BuildError {
    // It is a command's own status unless it is what buildah ends with by itself.
    let code = told.rsplit_once("exit status ").and_then(|(_, code)| code.trim().parse::<i32>().ok());
    if let (Some(step), Some(code)) = (step, code.or(status.filter(|status| *status != 125))) {
        return BuildError::permanent("build.failed", format!("{step}: ended with exit code {code}."));
    }
    let has = |words: &[&str]| words.iter().any(|word| told.contains(word));
    let told_of = |kind: &str| format!("{kind}: {told}.");
    if has(&[
        "no FROM statement",
        "Unknown instruction",
        "parsing main Dockerfile",
        "dockerfile parse",
        "unknown instruction",
    ]) {
        return BuildError::permanent("build.dockerfile", told_of("The Dockerfile cannot be read"));
    }
    if step.is_some_and(|step| step.contains(": FROM "))
        || has(&["initializing source docker://", "creating build container"])
    {
        if has(&["unauthorized", "authentication required", "denied"]) {
            return BuildError::permanent("build.parent_denied", told_of("A parent image may not be pulled"));
        }
        if has(&["manifest unknown", "not found", "did not resolve", "name unknown"]) {
            return BuildError::permanent("build.parent_missing", told_of("There is no such parent image"));
        }
        if has(&[
            "connection refused",
            "no such host",
            "timeout",
            "network is unreachable",
            "no route to host",
        ]) {
            return BuildError::transient(
                "build.parent_unreachable",
                told_of("A parent image cannot be pulled"),
            );
        }
    }
    match step {
        Some(step) => BuildError::permanent("build.failed", format!("{step}: {told}.")),
        None => BuildError::permanent("build.failed", told_of("The build failed")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_its_step_and_code() {
        for (told, step, status, code, sentence) in [
            (
                r#"building at STEP "RUN exit 7": exit status 7"#,
                Some("STEP 3/3: RUN exit 7"),
                Some(7),
                "build.failed",
                "STEP 3/3: RUN exit 7: ended with exit code 7.",
            ),
            (
                "no FROM statement found",
                None,
                Some(125),
                "build.dockerfile",
                "The Dockerfile cannot be read: no FROM statement found.",
            ),
            (
                "creating build container: initializing source docker://r.example/x:latest: reading manifest latest in r.example/x: manifest unknown",
                Some("STEP 1/2: FROM r.example/x"),
                Some(125),
                "build.parent_missing",
                "There is no such parent image: creating build container: initializing source docker://r.example/x:latest: reading manifest latest in r.example/x: manifest unknown.",
            ),
            (
                r#"building at STEP "COPY missing /x": checking on sources under "/job/context": copier: stat: "/missing": no such file or directory"#,
                Some("STEP 2/2: COPY missing /x"),
                Some(125),
                "build.failed",
                r#"STEP 2/2: COPY missing /x: building at STEP "COPY missing /x": checking on sources under "/job/context": copier: stat: "/missing": no such file or directory."#,
            ),
        ] {
            let error = failure(told, step, status);
            assert_eq!((error.code(), error.to_string().as_str()), (code, sentence));
        }
    }

    #[test]
    fn steps_are_timed_and_cached_ones_marked() {
        let said: Arc<Mutex<Vec<String>>> = Arc::default();
        let into = Arc::clone(&said);
        let say: Say = Arc::new(move |_, line| into.lock().unwrap().push(line.to_owned()));
        let reading = Arc::new(Reading::default());
        let along = reading.along(say);
        for line in [
            "[1/2] STEP 1/2: FROM scratch",
            "[1/2] STEP 2/2: COPY a /a",
            "--> Using cache abc",
            "--> abc",
            "hi",
        ] {
            along(Stream::Stdout, line);
        }
        let said = said.lock().unwrap();
        assert_eq!(*said, ["[1/2] STEP 1/2: FROM scratch", "[1/2] STEP 2/2: COPY a /a", "CACHED", "hi"]);
    }
}
