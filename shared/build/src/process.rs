//! Programs that end with us, and whose output is heard as it appears.

use std::ffi::OsStr;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use model::log::Stream;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

use crate::{BuildError, Limits, Say};

/// The longest piece of a line that is passed on at once.
const PIECE: usize = 64 << 10;

/// A program in a process group of its own. The group is killed when this is dropped, and when we are.
#[derive(Debug)]
pub struct Group {
    pub(crate) child: Child,
    id: Option<Pid>,
}

impl Group {
    /// A command that becomes a group once it is given to [`Group::spawn`].
    pub fn command(program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("setpriv");
        // The kernel ends it when the thread that starts it ends: threads of the runtime last as long as we do.
        command.args(["--pdeathsig", "KILL", "--"]).arg(program).process_group(0).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Starts it.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(command: &mut Command) -> std::io::Result<Self> {
        let child = command.spawn()?;
        let id = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        Ok(Self { child, id })
    }

    /// Starts a program that builders need.
    ///
    /// # Errors
    /// `builder.unavailable` when it cannot be started.
    pub fn spawn(command: &mut Command) -> Result<Self, BuildError> {
        Self::start(command).map_err(|e| {
            let program =
                command.as_std().get_args().nth(3).unwrap_or_default().to_string_lossy().into_owned();
            BuildError::transient("builder.unavailable", format!("`{program}` cannot be started: {e}."))
        })
    }

    /// Waits for the program's end. From then on there is no group to kill: its number may be another's.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub async fn wait(&mut self) -> std::io::Result<ExitStatus> {
        let status = self.child.wait().await?;
        self.id = None;
        Ok(status)
    }

    /// Ends every process of the group at once.
    pub fn kill(&mut self) {
        if let Some(id) = self.id.take() {
            let _ = kill_process_group(id, Signal::KILL);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Hears a program out: passes its lines on, and counts them against the limits of a build.
#[derive(Clone)]
pub struct Ears {
    say: Say,
    heard: Arc<AtomicU64>,
    most: u64,
    line: u64,
}

impl Ears {
    /// For one build.
    pub fn new(say: Say, limits: &Limits) -> Self {
        Self { say, heard: Arc::default(), most: limits.log, line: limits.line }
    }

    /// Reads a stream to its end. Lines are passed on without their ends; one that is very long in pieces.
    ///
    /// # Errors
    /// `build.log` and `build.log_line` when it says more than it may.
    pub async fn hear(&self, stream: Stream, mut from: impl AsyncRead + Unpin) -> Result<(), BuildError> {
        let mut buffer = vec![0; PIECE];
        let mut line = Vec::new();
        let mut length = 0u64;
        while let Ok(read @ 1..) = from.read(&mut buffer).await {
            let fresh = buffer.get(..read).unwrap_or_default();
            self.count(read as u64)?;
            let mut parts = fresh.split(|byte| *byte == b'\n').peekable();
            while let Some(part) = parts.next() {
                length += part.len() as u64;
                if length > self.line {
                    return Err(BuildError::permanent(
                        "build.log_line",
                        format!("The build printed a line of more than {} bytes.", self.line),
                    ));
                }
                line.extend_from_slice(part);
                let ended = parts.peek().is_some();
                // The end of a line whose pieces were all passed on already is nothing of its own.
                let whole = ended && (length == 0 || !line.is_empty());
                if whole || line.len() >= PIECE {
                    self.pass(stream, &line);
                    line.clear();
                }
                if ended {
                    length = 0;
                }
            }
        }
        if !line.is_empty() {
            self.pass(stream, &line);
        }
        Ok(())
    }

    /// Platen itself says something.
    pub fn say(&self, stream: Stream, line: &str) {
        (self.say)(stream, line);
    }

    fn pass(&self, stream: Stream, line: &[u8]) {
        (self.say)(stream, String::from_utf8_lossy(line).trim_end_matches('\r'));
    }

    fn count(&self, bytes: u64) -> Result<(), BuildError> {
        let before = self.heard.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) <= self.most {
            return Ok(());
        }
        let told = format!("The build printed more than {} bytes.", self.most);
        Err(BuildError::permanent("build.log", told))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    async fn heard(text: &[u8], limits: &Limits) -> (Vec<String>, Result<(), BuildError>) {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&lines);
        let say: Say = Arc::new(move |_, line| into.lock().unwrap().push(line.to_owned()));
        let result = Ears::new(say, limits).hear(Stream::Stdout, text).await;
        let lines = lines.lock().unwrap().clone();
        (lines, result)
    }

    #[tokio::test]
    async fn lines_are_passed_on_whole() {
        let (lines, result) = heard(b"one\r\n\ntwo\xff\nlast", &Limits::default()).await;
        assert_eq!(lines, ["one", "", "two\u{fffd}", "last"]);
        result.unwrap();
    }

    #[tokio::test]
    async fn a_build_that_says_too_much_is_told_so() {
        let limits = Limits { log: 1 << 20, line: 200_000, ..Limits::default() };
        let (lines, result) = heard(&vec![b'x'; 300_000], &limits).await;
        assert_eq!(result.unwrap_err().code(), "build.log_line");
        assert!(lines.iter().all(|line| line.len() <= 2 * PIECE));
        let (_, result) = heard(&b"line\n".repeat(300_000), &limits).await;
        assert_eq!(result.unwrap_err().code(), "build.log");
    }
}
