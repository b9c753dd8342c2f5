use std::sync::{Arc, Mutex};

use super::*;

fn read(text: &str) -> (Vec<String>, Progress) {
    let said: Arc<Mutex<Vec<String>>> = Arc::default();
    let into = Arc::clone(&said);
    let mut progress = Progress::new(Arc::new(move |stream, line| {
        into.lock().unwrap().push(format!("{stream:?} {line}"));
    }));
    progress.read(text.as_bytes()).unwrap();
    let said = said.lock().unwrap().clone();
    (said, progress)
}

fn vertex(digest: &str, name: &str, more: &str) -> String {
    format!("{{\"vertexes\":[{{\"digest\":\"{digest}\",\"name\":{name:?}{more}}}]}}\n")
}

const STARTED: &str = ",\"started\":\"2026-11-25T19:53:15.5Z\"";
const OVER: &str = ",\"started\":\"2026-11-25T19:53:15.5Z\",\"completed\":\"2026-11-25T19:53:17Z\"";

fn log(vertex: &str, stream: u8, text: &str) -> String {
    format!(
        "{{\n \"logs\": [{{\"vertex\":\"{vertex}\",\"stream\":{stream},\"data\":\"{}\"}}]\n}}\n",
        STANDARD.encode(text)
    )
}

#[test]
fn steps_come_with_number_output_and_time() {
    let text = [
        vertex("i", "[internal] load build definition from Dockerfile", STARTED),
        vertex("a", "[base 2/3] RUN make", STARTED),
        log("a", 1, "one\ntw"),
        vertex("b", "[3/4] COPY . /", STARTED),
        log("a", 1, "o\n"),
        log("a", 2, "careful"),
        vertex("a", "[base 2/3] RUN make", OVER),
        vertex(
            "c",
            "[4/4] RUN again",
            ",\"cached\":true,\"started\":\"2026-11-25T19:53:15Z\",\"completed\":\"2026-11-25T19:53:15Z\"",
        ),
    ]
    .concat();
    let (said, _) = read(&text);
    let expected = [
        "Stdout STEP base 2/3: RUN make",
        "Stdout one",
        "Stdout STEP 3/4: COPY . /",
        "Platen STEP base 2/3 goes on:",
        "Stdout two",
        "Stderr careful",
        "Platen STEP base 2/3 done in 1.5 s",
        "Stdout STEP 4/4: RUN again",
        "Platen CACHED",
    ];
    assert_eq!(said, expected);
}

#[test]
fn a_failure_is_a_sentence() {
    let failed = vertex(
        "a",
        "[2/2] RUN exit 7",
        &format!(
            "{OVER},\"error\":\"process \\\"/bin/sh -c exit 7\\\" did not complete successfully: exit code: 7\""
        ),
    );
    for (text, code, sentence) in [
        (
            format!("{failed}Dockerfile:3\n-----\n   3 | >>> RUN exit 7\nERROR: failed to solve: process \"/bin/sh -c exit 7\" did not complete successfully: exit code: 7\n"),
            "build.failed",
            "STEP 2/2: RUN exit 7: ended with exit code 7.",
        ),
        (
            "ERROR: failed to solve: dockerfile parse error on line 1: unknown instruction: FORM\n".to_owned(),
            "build.dockerfile",
            "The Dockerfile cannot be read: dockerfile parse error on line 1: unknown instruction: FORM.",
        ),
        (
            "ERROR: failed to solve: r.example/a:1: failed to resolve source metadata for r.example/a:1: r.example/a:1: not found\n".to_owned(),
            "build.parent_missing",
            "There is no such parent image: r.example/a:1: failed to resolve source metadata for r.example/a:1: r.example/a:1: not found.",
        ),
        (
            "ERROR: failed to list workers: Unavailable: connection error: dial tcp 127.0.0.1:1: connect: connection refused\n".to_owned(),
            "builder.unreachable",
            "The builder cannot be reached: failed to list workers: Unavailable: connection error: dial tcp 127.0.0.1:1: connect: connection refused.",
        ),
    ] {
        let error = read(&text).1.failure();
        assert_eq!((error.code(), error.to_string().as_str()), (code, sentence));
    }
}
