//! What is said on the command line about a build.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;
use serde_json::{Map, Value, json};

use crate::fail::Fail;

/// About a build: of a directory, a repository, or an archive of code.
#[derive(Debug, Args)]
#[command(next_help_heading = "Builds")]
pub(crate) struct Building {
    /// The directory of a repository or archive that is built.
    #[arg(long, value_name = "DIR")]
    pub context_dir: Option<String>,
    /// The Dockerfile, relative to what is built.
    #[arg(short, long, value_name = "FILE")]
    pub file: Option<String>,
    /// A build argument; `KEY` alone takes it from the environment. Repeat it.
    #[arg(long, value_name = "KEY=VALUE")]
    pub build_arg: Vec<String>,
    /// The stage to build.
    #[arg(long, value_name = "STAGE")]
    pub target: Option<String>,
    /// A secret for `RUN --mount=type=secret`: `id=ID,src=FILE` or `id=ID,env=VARIABLE`. Repeat it.
    #[arg(long, value_name = "id=ID,src=FILE")]
    pub secret: Vec<String>,
    /// Build this branch of a repository.
    #[arg(long, conflicts_with_all = ["tag", "commit"])]
    pub branch: Option<String>,
    /// Build this tag.
    #[arg(long, conflicts_with = "commit")]
    pub tag: Option<String>,
    /// Build this commit, by its whole id.
    #[arg(long)]
    pub commit: Option<String>,
    /// Fetch submodules too.
    #[arg(long)]
    pub submodules: bool,
    /// User name at the git server.
    #[arg(long, env = "PLATEN_GIT_USERNAME")]
    pub git_username: Option<String>,
    /// Password or token of that user.
    #[arg(long, env = "PLATEN_GIT_PASSWORD", hide_env_values = true)]
    pub git_password: Option<String>,
    /// A file with the private key for the git server.
    #[arg(long, value_name = "FILE")]
    pub ssh_key: Option<PathBuf>,
    /// What that key is locked with.
    #[arg(long, env = "PLATEN_SSH_PASSPHRASE", hide_env_values = true)]
    pub ssh_passphrase: Option<String>,
    /// What the steps may reach: `public` addresses, or `none`.
    #[arg(long, value_parser = ["public", "none"])]
    pub network: Option<String>,
    /// Put temporary files on the disk, not into memory.
    #[arg(long)]
    pub use_disk: bool,
    /// The builder: an integration of the hub, by id or identifier.
    #[arg(long, value_name = "INTEGRATION")]
    pub builder: Option<String>,
}

impl Building {
    /// The origin's details that say how, without credentials.
    pub(super) fn details(&self, repo: Option<&str>, targz: Option<&str>, platform: Option<&str>) -> Value {
        let mut details = Map::new();
        if let Some(url) = repo {
            details.insert("repo".to_owned(), self.repo(url, false).unwrap_or_default());
        }
        let platforms: Option<Vec<&str>> = platform.map(|p| p.split(',').map(str::trim).collect());
        for (name, value) in [
            ("targz_url", targz.map(|url| json!(url))),
            ("context_dir", self.context_dir.as_ref().map(|v| json!(v))),
            ("build_file", self.file.as_ref().map(|v| json!(v))),
            ("target_stage", self.target.as_ref().map(|v| json!(v))),
            ("network", self.network.as_ref().filter(|n| *n != "public").map(|v| json!(v))),
            ("platforms", platforms.map(|v| json!(v))),
        ] {
            if let Some(value) = value {
                details.insert(name.to_owned(), value);
            }
        }
        Value::Object(details)
    }

    /// The repository; with credentials only if `secrets`.
    pub(super) fn repo(&self, url: &str, secrets: bool) -> Result<Value> {
        let mut repo = json!({ "url": url });
        let reference = [("branch", &self.branch), ("tag", &self.tag), ("commit", &self.commit)];
        let reference = reference.into_iter().find_map(|(kind, value)| Some((kind, value.as_ref()?)));
        let Some(object) = repo.as_object_mut() else { return Ok(repo) };
        if let Some((kind, value)) = reference {
            object.insert("ref".to_owned(), json!({ "type": kind, "value": value }));
        }
        if self.submodules {
            object.insert("submodules".to_owned(), json!(true));
        }
        if let Some(file) = &self.ssh_key {
            let mut credentials = json!({});
            if let (true, Some(credentials)) = (secrets, credentials.as_object_mut()) {
                let key = std::fs::read_to_string(file)
                    .with_context(|| format!("the key {} cannot be read", file.display()))?;
                credentials.insert("private_key".to_owned(), json!(key));
                if let Some(passphrase) = &self.ssh_passphrase {
                    credentials.insert("passphrase".to_owned(), json!(passphrase));
                }
            }
            object.insert("auth".to_owned(), json!({ "type": "ssh", "credentials": credentials }));
        } else if self.git_username.is_some() || self.git_password.is_some() {
            let mut credentials = json!({ "username": self.git_username.clone().unwrap_or_default() });
            if let (true, Some(password), Some(credentials)) =
                (secrets, &self.git_password, credentials.as_object_mut())
            {
                credentials.insert("password".to_owned(), json!(password));
            }
            object.insert("auth".to_owned(), json!({ "type": "http", "credentials": credentials }));
        }
        Ok(repo)
    }

    /// Were credentials for a git server given?
    pub(super) fn has_secrets(&self) -> bool {
        self.git_password.is_some() || self.ssh_key.is_some()
    }

    /// `build` of the new image.
    pub(super) fn build(&self) -> Result<Value> {
        Ok(json!({ "args": self.args()?, "secrets": self.secrets()?, "use_disk": self.use_disk }))
    }

    /// `builder` of the new image.
    pub(super) fn builder(&self) -> Option<Value> {
        self.builder.as_ref().map(|name| json!({ "integration_id": name }))
    }

    /// Was anything said that only concerns builds?
    pub(super) fn is_said(&self) -> bool {
        let texts = [&self.context_dir, &self.file, &self.target, &self.branch, &self.tag, &self.commit];
        !self.build_arg.is_empty() || !self.secret.is_empty() || texts.into_iter().any(Option::is_some)
    }

    fn args(&self) -> Result<BTreeMap<String, String>> {
        let one = |text: &String| match text.split_once('=') {
            Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
            None => match std::env::var(text) {
                Ok(value) => Ok((text.clone(), value)),
                Err(_) => {
                    let said = format!(
                        "--build-arg {text} has no value, and there is no such variable in the environment."
                    );
                    Err(Fail::Usage(said).into())
                }
            },
        };
        self.build_arg.iter().map(one).collect()
    }

    fn secrets(&self) -> Result<BTreeMap<String, String>> {
        self.secret.iter().map(|text| secret(text)).collect()
    }
}

/// `id=ID,src=FILE` or `id=ID,env=VARIABLE`, as docker has it.
fn secret(text: &str) -> Result<(String, String)> {
    let (mut id, mut src, mut env) = (None, None, None);
    for part in text.split(',') {
        match part.split_once('=') {
            Some(("id", value)) => id = Some(value),
            Some(("src" | "source", value)) => src = Some(value),
            Some(("env", value)) => env = Some(value),
            Some(("type", "file" | "env")) => {}
            _ => return Err(Fail::Usage(format!("--secret {text}: write `id=ID,src=FILE`.")).into()),
        }
    }
    let id = id.ok_or_else(|| Fail::Usage(format!("--secret {text}: it has no id.")))?;
    let value = match (src, env) {
        (Some(file), None) => {
            std::fs::read_to_string(file).with_context(|| format!("the secret {file} cannot be read"))?
        }
        (None, Some(name)) => std::env::var(name)
            .map_err(|_| Fail::Usage(format!("--secret {text}: there is no variable `{name}`.")))?,
        _ => return Err(Fail::Usage(format!("--secret {text}: name a file or a variable.")).into()),
    };
    Ok((id.to_owned(), value))
}
