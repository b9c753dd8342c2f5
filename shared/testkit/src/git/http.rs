//! Smart HTTP: git's own CGI program behind a [`Standin`].

use std::io::Write;
use std::path::PathBuf;
use std::process::Stdio;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::{Repos, command};
use crate::standin::{Answer, Seen, Standin};

/// Answers for repositories.
#[derive(Debug, Clone)]
pub struct Backend {
    root: PathBuf,
    login: Option<String>,
    old: bool,
}

impl Backend {
    /// Asks for a user and a password.
    #[must_use]
    pub fn login(mut self, user: &str, password: &str) -> Self {
        self.login = Some(format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}"))));
        self
    }

    /// Speaks only the first version of the protocol, in which nothing is given that no ref is at.
    #[must_use]
    pub fn old(mut self) -> Self {
        self.old = true;
        self
    }

    /// Answers a request.
    pub fn answer(&self, seen: &Seen) -> Answer {
        if self.login.as_deref().is_some_and(|login| seen.header("authorization") != Some(login)) {
            return Answer::challenge("Basic realm=\"test\"");
        }
        let (path, query) = seen.path.split_once('?').unwrap_or((&seen.path, ""));
        let mut cgi = command();
        cgi.arg("http-backend").env("GIT_PROJECT_ROOT", &self.root).env("GIT_HTTP_EXPORT_ALL", "1");
        cgi.env("REQUEST_METHOD", &seen.method).env("PATH_INFO", path).env("QUERY_STRING", query);
        for (name, header) in
            [("CONTENT_TYPE", "content-type"), ("HTTP_CONTENT_ENCODING", "content-encoding")]
        {
            cgi.env(name, seen.header(header).unwrap_or_default());
        }
        match seen.header("git-protocol") {
            Some(version) if !self.old => cgi.env("GIT_PROTOCOL", version),
            _ => cgi.env_remove("GIT_PROTOCOL"),
        };
        cgi.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = cgi.spawn().expect("git starts");
        // It may have read enough before the end.
        let _ = child.stdin.take().expect("a pipe").write_all(&seen.body);
        let output = child.wait_with_output().expect("git ends").stdout;
        let end = output.windows(4).position(|four| four == b"\r\n\r\n").expect("an answer with headers");
        let head = String::from_utf8_lossy(&output[..end]).into_owned();
        let headers: Vec<(&str, &str)> = head.lines().filter_map(|line| line.split_once(": ")).collect();
        let status = headers.iter().find(|(name, _)| *name == "Status");
        let status = status.and_then(|(_, status)| status.get(..3)?.parse().ok()).unwrap_or(200);
        let answer = Answer::new(status, &output[end + 4..]);
        headers
            .iter()
            .filter(|(name, _)| *name != "Status")
            .fold(answer, |a, (name, value)| a.header(name, value))
    }
}

impl Repos {
    /// What answers for them, for a server of one's own.
    pub fn backend(&self) -> Backend {
        Backend { root: self.root().to_owned(), login: None, old: false }
    }

    /// Serves them in plain HTTP.
    pub fn http(&self) -> Standin {
        let backend = self.backend();
        Standin::start(move |seen| backend.answer(seen))
    }
}
