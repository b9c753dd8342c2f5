//! From a reference to the manifest for a platform, or to those of all, through indexes.
//!
//! No bytes are fetched here: the caller asks which descriptor to read next and hands the document in. So the
//! registry (async) and the archive (blocking) follow the same rules.

use std::collections::BTreeSet;

use super::{
    Descriptor, Document, ImageConfig, ImageIndex, ImageManifest, MAX_INDEX_DEPTH, MAX_INDEX_READS,
    ManifestError, Platform, media_type,
};
use crate::digest::Digest;
use media_type::DocumentKind;

/// Where a walk stands.
pub(crate) enum Step {
    /// Read this and hand it to [`Walk::take`].
    Read(Descriptor),
    /// This manifest is the one, if its config agrees.
    Found(Box<ImageManifest>),
}

/// A search for one platform, or for every one.
pub(crate) struct Walk {
    /// None for every one.
    wanted: Option<Platform>,
    /// What is still to be tried, the best last, with the number of indexes above it.
    open: Vec<(Descriptor, usize)>,
    depth: usize,
    reads: usize,
    /// What the index says the manifest in hand is for.
    claimed: Option<Platform>,
    seen: BTreeSet<Digest>,
    existing: BTreeSet<String>,
    /// Entries left out because they tell about images instead of being ones.
    pub(crate) skipped: Vec<Digest>,
}

impl Walk {
    pub(crate) fn new(wanted: Option<Platform>) -> Self {
        Self {
            wanted,
            open: Vec::new(),
            depth: 0,
            reads: 0,
            claimed: None,
            seen: BTreeSet::new(),
            existing: BTreeSet::new(),
            skipped: Vec::new(),
        }
    }

    /// Takes the document that was read and says what to do next.
    ///
    /// # Errors
    /// `index.nested`, `index.too_large`, `platform.missing`.
    pub(crate) fn take(&mut self, document: Document) -> Result<Step, ManifestError> {
        match document {
            Document::Manifest(manifest) => Ok(Step::Found(Box::new(manifest))),
            Document::Index(index) => {
                self.enter(&index)?;
                self.next()
            }
        }
    }

    /// Holds the found manifest's config against the wanted platform: `None` when it is the one, else what to try
    /// next. A config that names no platform passes.
    ///
    /// # Errors
    /// `platform.missing` when nothing is left.
    pub(crate) fn judge(&mut self, config: &ImageConfig) -> Result<Option<Step>, ManifestError> {
        let Some(wanted) = &self.wanted else { return Ok(None) };
        let found = &config.platform;
        let fits = match &self.claimed {
            // Many builders leave the variant out of the config and have it right in the index.
            Some(_) => same_machine(found, wanted),
            None => wanted.rank(found).is_some(),
        };
        if fits || found.is_unknown() {
            return Ok(None);
        }
        if let Some(claimed) = self.claimed.take() {
            self.existing.remove(&claimed.to_string());
        }
        self.existing.insert(found.to_string());
        self.next().map(Some)
    }

    /// What the image in hand runs on: the index may know the variant, which configs often leave out.
    pub(crate) fn platform(&self, config: &ImageConfig) -> Platform {
        let own = &config.platform;
        let claimed = self.claimed.as_ref().filter(|claimed| own.is_unknown() || same_machine(own, claimed));
        claimed.unwrap_or(own).clone()
    }

    /// Where to look for the next one, when every platform is wanted.
    ///
    /// # Errors
    /// `index.too_large`.
    pub(crate) fn further(&mut self) -> Result<Option<Step>, ManifestError> {
        if self.wanted.is_some() { Ok(None) } else { self.pop() }
    }

    fn enter(&mut self, index: &ImageIndex) -> Result<(), ManifestError> {
        if self.depth >= MAX_INDEX_DEPTH || !self.seen.insert(index.digest.clone()) {
            return Err(ManifestError::IndexNested(MAX_INDEX_DEPTH));
        }
        let below = self.depth + 1;
        // The sort is stable and the list is read from its end: so of equal entries the first is tried first.
        let mut ranked = Vec::new();
        for entry in index.manifests.iter().rev() {
            if entry.digest == index.digest || self.seen.contains(&entry.digest) {
                return Err(ManifestError::IndexNested(MAX_INDEX_DEPTH));
            }
            if entry.is_attestation {
                self.skipped.push(entry.digest.clone());
                continue;
            }
            let rank = match &entry.platform {
                Some(platform) if !platform.is_unknown() => {
                    self.existing.insert(platform.to_string());
                    self.wanted.as_ref().map_or(Some(0), |wanted| wanted.rank(platform))
                }
                // Only its content can tell, so it comes after all that say they fit.
                _ => Some(u32::MAX),
            };
            ranked.extend(rank.map(|rank| (rank, entry.clone())));
        }
        ranked.sort_by_key(|(rank, _)| std::cmp::Reverse(*rank));
        self.open.extend(ranked.into_iter().map(|(_, entry)| (entry, below)));
        Ok(())
    }

    fn next(&mut self) -> Result<Step, ManifestError> {
        if let Some(step) = self.pop()? {
            return Ok(step);
        }
        let existing: Vec<&str> = self.existing.iter().map(String::as_str).collect();
        let existing = if existing.is_empty() { "nothing".into() } else { existing.join(", ") };
        let wanted = self.wanted.as_ref().map_or_else(|| "any platform".to_owned(), Platform::to_string);
        Err(ManifestError::PlatformMissing { wanted, existing })
    }

    fn pop(&mut self) -> Result<Option<Step>, ManifestError> {
        while let Some((entry, depth)) = self.open.pop() {
            // An index may list signatures and the like beside images, without a platform.
            if media_type::document(&entry.media_type) == DocumentKind::Unknown
                && !entry.media_type.is_empty()
            {
                self.skipped.push(entry.digest);
                continue;
            }
            self.reads += 1;
            if self.reads > MAX_INDEX_READS {
                return Err(ManifestError::IndexUnclear(MAX_INDEX_READS));
            }
            self.depth = depth;
            self.claimed = entry.platform.clone().filter(|p| !p.is_unknown());
            return Ok(Some(Step::Read(entry)));
        }
        Ok(None)
    }
}

fn same_machine(one: &Platform, other: &Platform) -> bool {
    one.os == other.os && one.architecture == other.architecture
}

#[cfg(test)]
mod tests;
