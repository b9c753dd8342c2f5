//! One command, fenced in: a group of its own, a time limit, a size limit, and an end when nobody waits for it any more.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use model::log::{LINE_BYTES, Stream};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};

use super::guard;
use super::mask::Masks;
use crate::process::Group;
use crate::{BuildError, Say, size};

/// The most memory a command may ask for: no repository that builds needs more, and a tree made to fill it gets no further.
const MEMORY: u64 = 4 << 30;

/// Lines of standard error that are kept for the judgement.
const KEPT: usize = 200;

/// How often the size is looked at, at most.
const LOOK: Duration = Duration::from_millis(200);

/// What all commands of a session have in common.
pub(super) struct Runner {
    pub(super) env: Vec<(OsString, OsString)>,
    pub(super) dir: PathBuf,
    /// Whose size is bounded.
    pub(super) measured: Vec<PathBuf>,
    pub(super) patience: Duration,
    pub(super) max_bytes: u64,
    pub(super) masks: Masks,
    pub(super) say: Option<Say>,
}

/// How a command ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) status: ExitStatus,
    /// The end of its standard error, with secrets hidden.
    pub(super) said: Vec<String>,
}

/// Takes standard output in pieces, and may have had enough.
pub(super) type Sink<'a> = &'a mut (dyn FnMut(&[u8]) -> Result<(), BuildError> + Send);

impl Runner {
    /// Runs a program to its end, whatever that is.
    ///
    /// # Errors
    /// `git.unreachable` when it takes too long, `git.too_large`, `git.program`, and what the sink says.
    pub(super) async fn run(
        &self,
        program: &str,
        args: &[&OsStr],
        sink: Sink<'_>,
    ) -> Result<Ended, BuildError> {
        let mut command = Group::command("prlimit");
        command.arg(format!("--fsize={}", self.max_bytes)).arg(format!("--data={MEMORY}"));
        // The mode of files must not hang on how we were started.
        command.args(["--core=0", "--", "sh", "-c", "umask 022 && exec \"$@\"", "sh", program]).args(args);
        command.env_clear().envs(self.env.iter().map(|(name, value)| (name, value))).current_dir(&self.dir);
        let missing = |e: std::io::Error| {
            tracing::error!(error = %e, program, "a program cannot be started");
            BuildError::transient("git.program", format!("{program} cannot be started on this machine."))
        };
        let mut group = Group::start(&mut command).map_err(missing)?;
        let ended = tokio::select! {
            ended = self.follow(&mut group, sink) => ended,
            () = self.outgrown() => Err(too_large()),
            () = tokio::time::sleep(self.patience) => Err(guard::unreachable()),
        };
        match ended {
            Ok(ended) => {
                // It may have been quicker than the looks at it.
                if self.size().await > self.max_bytes { Err(too_large()) } else { Ok(ended) }
            }
            Err(error) => {
                group.kill();
                // It must not write any more when its directory is removed.
                let _ = group.wait().await;
                Err(error)
            }
        }
    }

    async fn follow(&self, group: &mut Group, sink: Sink<'_>) -> Result<Ended, BuildError> {
        let (stdout, stderr) = (group.child.stdout.take(), group.child.stderr.take());
        let (taken, said) = tokio::try_join!(
            async {
                match stdout {
                    Some(stdout) => pour(stdout, sink).await,
                    None => Ok(()),
                }
            },
            async {
                match stderr {
                    Some(stderr) => Ok(self.listen(stderr).await),
                    None => Ok(Vec::new()),
                }
            },
        )?;
        let () = taken;
        let status = group.wait().await.map_err(|_| guard::unreachable())?;
        Ok(Ended { status, said })
    }

    /// Hands lines on, in pieces if they have no end.
    async fn listen(&self, stderr: impl AsyncRead + Unpin) -> Vec<String> {
        let mut reader = BufReader::new(stderr);
        let mut kept = VecDeque::new();
        let mut line = Vec::new();
        loop {
            line.clear();
            let limit = u64::try_from(LINE_BYTES).unwrap_or(u64::MAX);
            let read = (&mut reader).take(limit).read_until(b'\n', &mut line).await;
            if !read.is_ok_and(|read| read > 0) {
                return kept.into();
            }
            let text = String::from_utf8_lossy(&line);
            // Progress overwrites itself by carriage returns; only its last state is of interest.
            let text = text.trim_end();
            let text = self.masks.apply(text.rsplit('\r').next().unwrap_or(text));
            if text.is_empty() {
                continue;
            }
            if let Some(say) = &self.say {
                say(Stream::Stderr, &text);
            }
            if kept.len() == KEPT {
                kept.pop_front();
            }
            kept.push_back(text);
        }
    }

    async fn size(&self) -> u64 {
        let dirs = self.measured.clone();
        let look = move || size::of(&dirs.iter().map(PathBuf::as_path).collect::<Vec<_>>());
        tokio::task::spawn_blocking(look).await.unwrap_or_default()
    }

    /// Comes back when more lies there than may.
    async fn outgrown(&self) {
        loop {
            tokio::time::sleep(LOOK).await;
            let began = std::time::Instant::now();
            if self.size().await > self.max_bytes {
                return;
            }
            // Looking at very many files must not be most of the work.
            tokio::time::sleep(began.elapsed() * 4).await;
        }
    }
}

pub(super) fn too_large() -> BuildError {
    BuildError::permanent("git.too_large", "The repository is larger than this factory takes.")
}

async fn pour(mut from: impl AsyncRead + Unpin, sink: Sink<'_>) -> Result<(), BuildError> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        match from.read(&mut buffer).await {
            Ok(0) | Err(_) => return Ok(()),
            Ok(read) => sink(buffer.get(..read).unwrap_or_default())?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runner(patience: Duration) -> Runner {
        let path = std::env::var_os("PATH").unwrap();
        Runner {
            env: vec![("PATH".into(), path)],
            dir: "/".into(),
            measured: Vec::new(),
            patience,
            max_bytes: 1 << 20,
            masks: Masks::default(),
            say: None,
        }
    }

    fn alive(mark: &str) -> bool {
        let processes = std::fs::read_dir("/proc").unwrap().flatten();
        let lines = processes.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
        lines.map(|line| String::from_utf8_lossy(&line).into_owned()).any(|line| line.contains(mark))
    }

    /// Its children hold its output open, and would go on for ever.
    #[tokio::test]
    async fn the_children_end_too() {
        let mark = format!("98765.{}", std::process::id());
        let script = format!("sleep {mark} & sleep {mark} & exit 0");
        let args = ["-c", &script].map(OsStr::new);
        let ended = runner(Duration::from_millis(500)).run("sh", &args, &mut |_| Ok(())).await;
        assert_eq!(ended.unwrap_err().code(), "git.unreachable");
        let began = std::time::Instant::now();
        while alive(&mark) {
            assert!(began.elapsed() < Duration::from_secs(10), "a child stays");
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn lines_are_masked_and_the_last_are_kept() {
        let mut runner = runner(Duration::from_secs(20));
        runner.masks.hide("s3cret");
        let script =
            "i=0; while [ $i -lt 300 ]; do echo \"$i s3cret\" >&2; i=$((i+1)); done; printf 'a\\rb' >&2";
        let args = ["-c", script].map(OsStr::new);
        let said = runner.run("sh", &args, &mut |_| Ok(())).await.unwrap().said;
        assert_eq!((said.len(), said[0].as_str(), said[199].as_str()), (KEPT, "101 ***", "b"));
    }

    #[tokio::test]
    async fn an_end_without_a_line() {
        let args = ["-c", "head -c 300000 /dev/zero | tr '\\0' x >&2; exit 3"].map(OsStr::new);
        let ended = runner(Duration::from_secs(20)).run("sh", &args, &mut |_| Ok(())).await.unwrap();
        assert_eq!(ended.status.code(), Some(3));
        assert!(ended.said.iter().all(|line| line.len() <= LINE_BYTES));
        assert_eq!(ended.said.concat().len(), 300_000);
        let args = ["-c", "yes"].map(OsStr::new);
        let enough = runner(Duration::from_secs(20)).run("sh", &args, &mut |_| Err(too_large())).await;
        assert_eq!(enough.unwrap_err().code(), "git.too_large");
    }
}
