//! What a commit holds, before any of it is written.

use std::collections::HashMap;
use std::str;

use super::fail::Failure;
use super::run::too_large;
use super::session::Session;
use crate::BuildError;
use crate::size::ENTRY;

/// The most files of one repository. Trees that name each other many times make more of them than any disk holds, out of
/// a few kilobytes.
const FILES: u64 = 2_000_000;

/// The longest line of a listing.
const LINE: usize = 64 << 10;

/// The submodules of a commit: their path, and the commit each is at.
pub(super) type Links = Vec<(String, String)>;

/// Reads the listing of a commit, and gives up when what it names is too large.
pub(super) async fn links(session: &Session, commit: &str, max_bytes: u64) -> Result<Links, Failure> {
    let mut reader = Reader { max_bytes, ..Reader::default() };
    let args = ["ls-tree", "-r", "-l", "-z", "--full-tree", commit];
    session.git_into(&args, &mut |bytes| reader.take(bytes)).await?;
    Ok(reader.links)
}

#[derive(Default)]
struct Reader {
    rest: Vec<u8>,
    files: u64,
    bytes: u64,
    max_bytes: u64,
    links: Links,
}

impl Reader {
    fn take(&mut self, bytes: &[u8]) -> Result<(), BuildError> {
        self.rest.extend_from_slice(bytes);
        let Some(end) = self.rest.iter().rposition(|b| *b == 0) else {
            return if self.rest.len() > LINE { Err(too_large()) } else { Ok(()) };
        };
        let rest = self.rest.split_off(end + 1);
        let whole = std::mem::replace(&mut self.rest, rest);
        whole.split(|b| *b == 0).filter(|line| !line.is_empty()).try_for_each(|line| self.line(line))
    }

    /// `mode type id size<TAB>path`.
    fn line(&mut self, line: &[u8]) -> Result<(), BuildError> {
        let tab = line.iter().position(|b| *b == b'\t').unwrap_or(line.len());
        let head = line.get(..tab).and_then(|head| str::from_utf8(head).ok()).unwrap_or_default();
        let mut words = head.split_ascii_whitespace();
        let (mode, _, id, size) = (words.next(), words.next(), words.next(), words.next());
        let size = size.and_then(|size| size.parse::<u64>().ok()).unwrap_or(0);
        self.files += 1;
        self.bytes = self.bytes.saturating_add(size).saturating_add(ENTRY);
        if self.files > FILES || self.bytes > self.max_bytes {
            return Err(too_large());
        }
        if let (Some("160000"), Some(id)) = (mode, id) {
            let path = line.get(tab + 1..).and_then(|path| str::from_utf8(path).ok());
            // One that has no readable name is named by no `.gitmodules` either.
            self.links.push((path.unwrap_or_default().to_owned(), id.to_owned()));
        }
        Ok(())
    }
}

/// Where the submodules of a commit come from: URLs by path, as its `.gitmodules` says.
pub(super) async fn urls(session: &Session, commit: &str) -> Result<HashMap<String, String>, Failure> {
    let blob = format!("{commit}:.gitmodules");
    // A symlink is not read as a file, wherever it leads.
    let listed = session.git(&["ls-tree", "-z", "--full-tree", commit, "--", ".gitmodules"]).await?;
    if !listed.starts_with("100") {
        return Ok(HashMap::new());
    }
    let pattern = r"^submodule\..*\.(path|url)$";
    let args = ["config", "--null", "--no-includes", "--blob", &blob, "--get-regexp", pattern];
    // It fails when nothing fits.
    let listed = session.ask(&args).await?.unwrap_or_default();
    let mut named: HashMap<&str, (Option<&str>, Option<&str>)> = HashMap::new();
    for (key, value) in listed.split('\0').filter_map(|entry| entry.split_once('\n')) {
        if let Some(name) = key.strip_suffix(".path") {
            named.entry(name).or_default().0 = Some(value);
        } else if let Some(name) = key.strip_suffix(".url") {
            named.entry(name).or_default().1 = Some(value);
        }
    }
    let pairs = named.into_values().filter_map(|(path, url)| Some((path?.to_owned(), url?.to_owned())));
    Ok(pairs.collect())
}
