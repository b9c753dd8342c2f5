//! What the user gave: a reference, an archive, a directory; and the source that stands for it.

use std::path::{Path, PathBuf};

use anyhow::Result;
use model::api::{ApiError, Source};
use model::source::{Origin, slug};
use reqwest::Method;
use serde_json::{Value, json};

use super::Import;
use crate::client::Client;
use crate::fail::Fail;

/// What the user gave.
#[derive(Debug)]
pub(super) enum Given {
    /// A repository on Docker Hub.
    Hub { target: String, name: String },
    /// A repository in a registry.
    Registry { url: String, target: String, name: String },
    /// An archive, or an OCI layout directory to be sent as one.
    Archive { path: PathBuf, name: String },
    /// A directory to build.
    Directory { path: PathBuf, name: String },
    /// A repository to build.
    Git { url: String, name: String },
    /// An archive of code on a server.
    Targz { url: String, name: String },
}

impl Given {
    /// A name for the image.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Hub { name, .. }
            | Self::Registry { name, .. }
            | Self::Archive { name, .. }
            | Self::Directory { name, .. }
            | Self::Git { name, .. }
            | Self::Targz { name, .. } => name,
        }
    }

    /// Is it code?
    pub(super) fn is_built(&self) -> bool {
        matches!(self, Self::Directory { .. } | Self::Git { .. } | Self::Targz { .. })
    }

    /// Does it come from this machine? Then only its name tells it from others.
    fn is_sent(&self) -> bool {
        matches!(self, Self::Archive { .. } | Self::Directory { .. })
    }

    /// The body of the origin, without credentials: also what an existing source is recognised by.
    fn origin(&self, args: &Import) -> Value {
        let username = args.registry_username.as_deref();
        let built = |repo, targz| {
            let details = args.building.details(repo, targz, args.platform.as_deref());
            json!({ "type": "docker-file", "details": details })
        };
        match self {
            Self::Directory { .. } => built(None, None),
            Self::Git { url, .. } => built(Some(url), None),
            Self::Targz { url, .. } => built(None, Some(url)),
            Self::Hub { target, .. } => {
                let mut details = json!({ "target": target });
                set(&mut details, "username", username);
                json!({ "type": "docker-hub", "details": details })
            }
            Self::Registry { url, target, .. } => {
                let mut details = json!({ "target": target, "url": url });
                if let Some(username) = username {
                    set_value(
                        &mut details,
                        "auth",
                        json!({ "type": "user", "details": { "username": username } }),
                    );
                }
                json!({ "type": "oci-registry", "details": details })
            }
            Self::Archive { .. } => json!({ "type": "cycle-upload", "details": {} }),
        }
    }
}

/// Understands the argument: a path that exists is one, anything else is a reference.
pub(super) fn understand(args: &Import) -> Result<Given> {
    let given = origin_of(args)?;
    if args.building.is_said() && !given.is_built() {
        let said = format!("`{}` is an image already: options about builds do not concern it.", args.source);
        return Err(Fail::Usage(said).into());
    }
    Ok(given)
}

fn origin_of(args: &Import) -> Result<Given> {
    let text = args.source.as_str();
    let path = Path::new(text);
    if path.exists() {
        return local(path);
    }
    if let Some(given) = code(text) {
        return Ok(given);
    }
    if text.starts_with(['.', '/', '~']) {
        return Err(Fail::NotFound(format!("There is no file or directory `{text}`.")).into());
    }
    let (scheme, rest) = match text.split_once("://") {
        Some(("docker" | "oci", rest)) => (None, rest),
        Some((scheme @ ("http" | "https"), rest)) => (Some(scheme), rest),
        Some((other, _)) => {
            return Err(Fail::Usage(format!("`{other}://` is no kind of source that is known.")).into());
        }
        None => (None, text),
    };
    let first = rest.split('/').next().unwrap_or_default();
    let is_host = rest.contains('/') && (first.contains(['.', ':']) || first == "localhost");
    if !is_host && scheme.is_some() {
        return Err(Fail::Usage(format!("`{text}` names a host, but no repository on it.")).into());
    }
    if !is_host || matches!(first, "docker.io" | "index.docker.io") {
        let target = if is_host { rest.split_once('/').map_or(rest, |(_, t)| t) } else { rest };
        return Ok(Given::Hub { target: target.to_owned(), name: name_of(target) });
    }
    let (_, target) = rest.split_once('/').unwrap_or((rest, ""));
    let host = first.rsplit_once(':').map_or(first, |(host, _)| host);
    let loopback = host == "localhost" || host.starts_with("127.") || host == "[::1]";
    let scheme = scheme.unwrap_or(if args.plain_http || loopback { "http" } else { "https" });
    Ok(Given::Registry {
        url: format!("{scheme}://{first}"),
        target: target.to_owned(),
        name: name_of(target),
    })
}

fn local(path: &Path) -> Result<Given> {
    if path.is_dir() && !path.join("oci-layout").is_file() {
        let path = path.canonicalize()?;
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        return Ok(Given::Directory { name: slug(&name), path });
    }
    let path = path.canonicalize()?;
    let file = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let stem = [".tar", ".tar.gz", ".tgz", ".tar.zst", ".oci", ".docker"]
        .into_iter()
        .find_map(|end| file.strip_suffix(end))
        .unwrap_or(&file);
    Ok(Given::Archive { name: slug(stem), path })
}

/// A repository, or an archive of code on a server. What could also be a registry's image is one.
fn code(text: &str) -> Option<Given> {
    let (url, forced) = match text.strip_prefix("git+") {
        Some(url) => (url, true),
        None => (text, false),
    };
    let bare = url.split(['?', '#']).next().unwrap_or(url).trim_end_matches('/');
    let last = bare.rsplit(['/', ':']).next().unwrap_or(bare);
    let web = url.starts_with("https://") || url.starts_with("http://");
    let scp = !url.contains("://")
        && url.split_once(':').is_some_and(|(user, _)| user.contains('@') && !user.contains('/'));
    if forced
        || url.starts_with("ssh://")
        || url.starts_with("git://")
        || scp
        || (web && last.ends_with(".git"))
    {
        let name = slug(last.strip_suffix(".git").unwrap_or(last));
        return Some(Given::Git { url: url.to_owned(), name });
    }
    let stem = [".tar.gz", ".tgz", ".tar.zst", ".tar"].into_iter().find_map(|end| last.strip_suffix(end));
    stem.filter(|_| web).map(|stem| Given::Targz { url: url.to_owned(), name: slug(stem) })
}

/// `library/nginx:1.29` is `nginx-1.29`; a digest is no part of a name.
fn name_of(target: &str) -> String {
    let target = target.split('@').next().unwrap_or(target);
    let last = target.rsplit('/').next().unwrap_or(target);
    let name = last.replace(':', "-");
    name.strip_suffix("-latest").unwrap_or(&name).to_owned()
}

/// The hub's source with the same origin, or a new one.
pub(super) async fn ensure(client: &Client, args: &Import, given: &Given) -> Result<Source> {
    let origin = given.origin(args);
    let wanted: Origin = serde_json::from_value(origin.clone())?;
    let sources = client.list::<Source>("/v1/images/sources?page[size]=500").await?.data;
    let same =
        |source: &&Source| source.origin == wanted && (!given.is_sent() || source.name == given.name());
    let found = sources.iter().find(same).cloned();
    let mut full = origin;
    let mut fresh = args.registry_password.is_some();
    match given {
        Given::Git { url, .. } => {
            fresh = args.building.has_secrets();
            if let Some(details) = full.get_mut("details") {
                set_value(details, "repo", args.building.repo(url, true)?);
            }
        }
        // Its parents' registry, not its own.
        given if given.is_built() => fresh = false,
        _ => credentials(&mut full, args.registry_password.as_deref()),
    }
    match found {
        // New credentials replace the old ones.
        Some(source) if fresh => {
            client
                .json(Method::PATCH, &format!("/v1/images/sources/{}", source.id), &json!({ "origin": full }))
                .await
        }
        Some(source) => Ok(source),
        None => create(client, given.name(), &full).await,
    }
}

async fn create(client: &Client, name: &str, origin: &Value) -> Result<Source> {
    let base = slug(name);
    for number in 1..100 {
        let identifier = if number == 1 { base.clone() } else { format!("{base}-{number}") };
        let body = json!({ "name": name, "identifier": identifier, "origin": origin });
        match client.json(Method::POST, "/v1/images/sources", &body).await {
            // Another origin has this identifier.
            Err(error) if error.downcast_ref::<ApiError>().is_some_and(|e| e.status == 409) => {}
            other => return other,
        }
    }
    Err(Fail::Usage(format!("The hub has a hundred sources called `{base}`; make one by hand.")).into())
}

fn credentials(origin: &mut Value, password: Option<&str>) {
    let Some(password) = password else { return };
    let Some(details) = origin.get_mut("details") else { return };
    match details.get_mut("auth").and_then(|auth| auth.get_mut("details")) {
        Some(auth) => set(auth, "token", Some(password)),
        None => set(details, "token", Some(password)),
    }
}

fn set(object: &mut Value, key: &str, value: Option<&str>) {
    if let Some(value) = value {
        set_value(object, key, json!(value));
    }
}

fn set_value(object: &mut Value, key: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(key.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_told_from_images() {
        for (text, expected) in [
            ("https://git.example/a/web.git", Some("git web")),
            ("git@git.example:a/web.git", Some("git web")),
            ("ssh://git@git.example:22/a/web", Some("git web")),
            ("git://git.example/api", Some("git api")),
            ("git+https://git.example/a/web", Some("git web")),
            ("https://files.example/x/code-1.2.tar.gz?sig=1", Some("tar code-1-2")),
            ("https://registry.example/a/b", None),
            ("registry.example:5000/a/b:1", None),
            ("nginx:1.29", None),
        ] {
            let found = code(text).map(|given| match given {
                Given::Git { name, .. } => format!("git {name}"),
                Given::Targz { name, .. } => format!("tar {name}"),
                other => format!("{other:?}"),
            });
            assert_eq!(found.as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn names_of_targets() {
        for (target, name) in [
            ("nginx", "nginx"),
            ("nginx:1.29", "nginx-1.29"),
            ("library/nginx:latest", "nginx"),
            ("a/b/c@sha256:abc", "c"),
        ] {
            assert_eq!(name_of(target), name);
        }
    }
}
