//! Image sources: where an image comes from.

use serde::{Deserialize, Serialize};

use crate::Secret;

mod docker_file;

pub use docker_file::{BuildNetwork, DockerFile, ParentCredentials, Repo, RepoAuth, RepoRef};

/// The origin of an image source: its kind, and what that kind needs.
///
/// Secrets are write-only: they are accepted in a body, taken out with [`Origin::take_secrets`] before the origin is
/// kept, sealed apart from it, and put back with [`Origin::put_secret`] only by the service that uses them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "details", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Origin {
    /// A repository on Docker Hub.
    DockerHub(DockerHub),
    /// A registry that speaks the Docker Registry API.
    DockerRegistry(DockerRegistry),
    /// A registry that speaks the OCI Distribution API.
    OciRegistry(OciRegistry),
    /// A Dockerfile, with the code around it.
    DockerFile(Box<DockerFile>),
    /// An archive uploaded by the user: an OCI layout or docker-save tar.
    CycleUpload(Upload),
    /// A shell only: nothing to import from.
    None(Nothing),
}

/// `docker-hub`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DockerHub {
    /// Repository with tag or digest: `nginx:1.29`.
    pub target: String,
    /// User name, for private repositories.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Access token or password of that user.
    #[serde(default, skip_serializing)]
    pub token: Option<Secret>,
}

/// `docker-registry`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DockerRegistry {
    /// Repository with tag or digest, without the host: `team/app:3`.
    pub target: String,
    /// The registry with its scheme: `https://registry.example`.
    pub url: String,
    /// User name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Token of that user; used when there is no password.
    #[serde(default, skip_serializing)]
    pub token: Option<Secret>,
    /// Password of that user.
    #[serde(default, skip_serializing)]
    pub password: Option<Secret>,
}

/// `oci-registry`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OciRegistry {
    /// Repository with tag or digest, without the host.
    pub target: String,
    /// The registry with its scheme.
    pub url: String,
    /// How to authenticate; absent for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<OciAuth>,
}

/// How to authenticate at an OCI registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "details", rename_all = "kebab-case")]
pub enum OciAuth {
    /// A user name with a token or password.
    User {
        /// User name.
        username: String,
        /// Token or password.
        #[serde(default, skip_serializing)]
        token: Option<Secret>,
    },
}

/// `cycle-upload`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upload {}

/// `none`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nothing {}

/// A user name and a secret for a registry.
#[derive(Debug, Clone)]
pub struct Login {
    /// User name.
    pub username: String,
    /// Password or token.
    pub secret: Secret,
}

impl Origin {
    /// The kind, as in `type`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::DockerHub(_) => "docker-hub",
            Self::DockerRegistry(_) => "docker-registry",
            Self::OciRegistry(_) => "oci-registry",
            Self::DockerFile(_) => "docker-file",
            Self::CycleUpload(_) => "cycle-upload",
            Self::None(_) => "none",
        }
    }

    /// Does each image of it wait for an upload?
    pub fn is_uploaded(&self) -> bool {
        match self {
            Self::CycleUpload(_) => true,
            Self::DockerFile(d) => d.is_uploaded(),
            Self::DockerHub(_) | Self::DockerRegistry(_) | Self::OciRegistry(_) | Self::None(_) => false,
        }
    }

    /// Replaces the context by an archive's address (an image's `override.targz_url`); false where nothing is built.
    pub fn set_targz(&mut self, url: &str) -> bool {
        let Self::DockerFile(d) = self else { return false };
        d.repo = None;
        d.targz_url = Some(url.to_owned());
        true
    }

    /// The target in the registry, for origins that have one.
    pub fn target(&self) -> Option<&str> {
        match self {
            Self::DockerHub(d) => Some(&d.target),
            Self::DockerRegistry(d) => Some(&d.target),
            Self::OciRegistry(d) => Some(&d.target),
            Self::DockerFile(_) | Self::CycleUpload(_) | Self::None(_) => None,
        }
    }

    /// Replaces the target (an image's `override.target`); false where the origin has none.
    pub fn set_target(&mut self, target: &str) -> bool {
        let place = match self {
            Self::DockerHub(d) => &mut d.target,
            Self::DockerRegistry(d) => &mut d.target,
            Self::OciRegistry(d) => &mut d.target,
            Self::DockerFile(_) | Self::CycleUpload(_) | Self::None(_) => return false,
        };
        target.clone_into(place);
        true
    }

    /// The registry's address with its scheme; `None` for Docker Hub and for origins without a registry.
    pub fn url(&self) -> Option<&str> {
        match self {
            Self::DockerRegistry(d) => Some(&d.url),
            Self::OciRegistry(d) => Some(&d.url),
            Self::DockerHub(_) | Self::DockerFile(_) | Self::CycleUpload(_) | Self::None(_) => None,
        }
    }

    fn slots(&mut self) -> Vec<(String, &mut Option<Secret>)> {
        match self {
            Self::DockerHub(d) => vec![("token".to_owned(), &mut d.token)],
            Self::DockerRegistry(d) => {
                vec![("token".to_owned(), &mut d.token), ("password".to_owned(), &mut d.password)]
            }
            Self::OciRegistry(OciRegistry { auth: Some(OciAuth::User { token, .. }), .. }) => {
                vec![("token".to_owned(), token)]
            }
            Self::DockerFile(d) => d.slots(),
            Self::OciRegistry(_) | Self::CycleUpload(_) | Self::None(_) => Vec::new(),
        }
    }

    /// Takes the secrets out, each with the name of its field.
    pub fn take_secrets(&mut self) -> Vec<(String, Secret)> {
        self.slots()
            .into_iter()
            .filter_map(|(field, slot)| slot.take().map(|secret| (field, secret)))
            .collect()
    }

    /// Puts one secret back where it was taken from; an unknown field is ignored.
    pub fn put_secret(&mut self, field: &str, secret: Secret) {
        if let Some((_, slot)) = self.slots().into_iter().find(|(name, _)| name == field) {
            *slot = Some(secret);
        }
    }

    /// The login, when both its halves are there.
    pub fn login(&self) -> Option<Login> {
        let (username, secret) = match self {
            Self::DockerHub(d) => (d.username.as_ref()?, d.token.as_ref()?),
            Self::DockerRegistry(d) => (d.username.as_ref()?, d.password.as_ref().or(d.token.as_ref())?),
            Self::OciRegistry(OciRegistry { auth: Some(OciAuth::User { username, token }), .. }) => {
                (username, token.as_ref()?)
            }
            Self::OciRegistry(_) | Self::DockerFile(_) | Self::CycleUpload(_) | Self::None(_) => return None,
        };
        Some(Login { username: username.clone(), secret: secret.clone() })
    }
}

/// How the flat image of a source is made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlatOptions {
    /// Compression of the flat layer.
    #[serde(default)]
    pub codec: CodecName,
    /// The platforms wanted: `all`, or `os/architecture[/variant]`, several separated by commas; the factory's own when
    /// absent. Several give one flat index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
}

/// Compression of a flat layer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CodecName {
    /// Smaller and faster; read by docker 23, containerd 1.5, podman, skopeo and newer.
    #[default]
    Zstd,
    /// For older clients.
    Gzip,
}

/// Is this a valid identifier of a hub or source: a slug that can stand in an image reference? It follows the
/// `name` component grammar of the OCI distribution specification, 2 to 63 characters.
pub fn is_identifier(text: &str) -> bool {
    let alnum = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    (2..=63).contains(&text.len())
        && text.starts_with(alnum)
        && text.ends_with(alnum)
        && text.chars().all(|c| alnum(c) || c == '-')
        && !text.contains("--")
}

/// An identifier made from any name: what is not allowed becomes a dash.
pub fn slug(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars().map(|c| c.to_ascii_lowercase()) {
        match c {
            'a'..='z' | '0'..='9' => out.push(c),
            _ if !out.is_empty() && !out.ends_with('-') => out.push('-'),
            _ => {}
        }
    }
    let mut out: String = out.chars().take(60).collect();
    while out.ends_with('-') {
        out.pop();
    }
    if is_identifier(&out) { out } else { format!("image-{out}").trim_end_matches('-').to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_leave_and_come_back() {
        let body = r#"{"type":"oci-registry","details":{"target":"a:1","url":"https://r.example",
            "auth":{"type":"user","details":{"username":"u","token":"hunter2"}}}}"#;
        let mut origin: Origin = serde_json::from_str(body).unwrap();
        assert!(!format!("{origin:?}").contains("hunter2"));
        assert!(!serde_json::to_string(&origin).unwrap().contains("hunter2"));
        let secrets = origin.take_secrets();
        assert_eq!(secrets.len(), 1);
        assert!(origin.login().is_none());
        for (field, secret) in secrets {
            origin.put_secret(&field, secret);
        }
        assert_eq!(origin.login().unwrap().secret.expose(), "hunter2");
    }

    #[test]
    fn every_secret_of_a_build_is_sealed_apart() {
        let body = r#"{"type":"docker-file","details":{"repo":{"url":"git@git.example:a/b","ref":{"type":"tag","value":"v1"},
            "auth":{"type":"ssh","credentials":{"private_key":"key","passphrase":"lock"}}},
            "credentials":[{"url":"https://a.example","username":"a","token":"one"},
                {"url":"docker.io","username":"b","token":"two"}]}}"#;
        let mut origin: Origin = serde_json::from_str(body).unwrap();
        let secrets = origin.take_secrets();
        let names: Vec<&str> = secrets.iter().map(|(name, _)| name.as_str()).collect();
        let expected = ["repo.private_key", "repo.passphrase", "credentials.0.token", "credentials.1.token"];
        assert_eq!(names, expected);
        // What is kept can be read again, and takes them back.
        let mut kept: Origin = serde_json::from_str(&serde_json::to_string(&origin).unwrap()).unwrap();
        assert_eq!(kept, origin);
        for (field, secret) in secrets {
            kept.put_secret(&field, secret);
        }
        assert_eq!(kept, serde_json::from_str(body).unwrap());
    }

    #[test]
    fn an_unknown_origin_or_field_is_refused() {
        for body in [
            r#"{"type":"floppy","details":{}}"#,
            r#"{"type":"docker-hub","details":{"target":"a","tokn":"x"}}"#,
            r#"{"type":"docker-hub","details":{}}"#,
        ] {
            assert!(serde_json::from_str::<Origin>(body).is_err(), "{body}");
        }
    }

    #[test]
    fn slugs_are_identifiers() {
        for (name, expected) in [
            ("nginx", "nginx"),
            ("library/Nginx:1.29", "library-nginx-1-29"),
            ("--a--", "image-a"),
            ("", "image"),
            ("über cool.tar.gz", "ber-cool-tar-gz"),
        ] {
            assert_eq!(slug(name), expected);
            assert!(is_identifier(&slug(name)), "{name}");
        }
        assert!(is_identifier(&slug(&"x/".repeat(80))));
        assert!(
            !is_identifier("a--b") && !is_identifier("-a") && !is_identifier("A1") && !is_identifier("a")
        );
    }
}
