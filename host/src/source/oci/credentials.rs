//! The credentials of registries: docker's configuration, its credential helpers, or a Kubernetes `.dockerconfigjson`.

use std::env;
use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::time::Duration;

use docker_credential::{CredentialRetrievalError, DockerCredential};

/// What a registry knows us by. It holds secrets, so it has no `Debug`.
pub enum Credential {
    /// Nothing: anonymous.
    None,
    /// A user and a password, or a token in its place.
    Password { user: String, password: String },
    /// An OAuth 2 refresh token, as `az acr login` leaves it.
    IdentityToken(String),
}

/// Why credentials could not be had.
#[derive(Debug, thiserror::Error)]
#[error("the credentials of {registry} cannot be had from {}: {reason}", .file.display())]
pub struct CredentialError {
    registry: String,
    file: PathBuf,
    reason: &'static str,
}

/// The file of credentials that counts: the one that is asked for, else docker's.
pub fn file(asked_for: Option<&Path>) -> Option<PathBuf> {
    if let Some(file) = asked_for {
        return Some(file.to_owned());
    }
    let folder = env::var_os("DOCKER_CONFIG")
        .map(PathBuf::from)
        .or_else(|| Some(Path::new(&env::var_os("HOME")?).join(".docker")))?;
    Some(folder.join("config.json"))
}

/// How long a credential helper may take. It may ask a server, and no person.
const HELPER_PATIENCE: Duration = Duration::from_secs(20);

/// The credentials of a registry. Without a word about it, and where docker has no configuration, there are none;
/// a file that was asked for must be there.
pub async fn find(registry: &str, asked_for: Option<&Path>) -> Result<Credential, CredentialError> {
    let Some(file) = file(asked_for) else {
        return Ok(Credential::None);
    };
    let registry = registry.to_owned();
    let required = asked_for.is_some();
    let silent = CredentialError {
        registry: registry.clone(),
        file: file.clone(),
        reason: "its credential helper does not answer; try `docker-credential-.. get` by hand",
    };
    // Helpers are programs that are waited for.
    let reading = tokio::task::spawn_blocking(move || read(&registry, &file, required));
    match tokio::time::timeout(HELPER_PATIENCE, reading).await {
        Ok(read) => read.expect("reading credentials does not panic"),
        Err(_) => Err(silent),
    }
}

fn read(registry: &str, file: &Path, required: bool) -> Result<Credential, CredentialError> {
    let failed = |reason| CredentialError {
        registry: registry.to_owned(),
        file: file.to_owned(),
        reason,
    };
    let opened = match File::open(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && !required => {
            return Ok(Credential::None);
        }
        opened => opened.map_err(|_| {
            failed("it cannot be opened; check that it is there, and who may read it")
        })?,
    };
    // The name that docker has kept for its own registry.
    let server = match registry {
        "docker.io" => "https://index.docker.io/v1/",
        other => other,
    };
    use CredentialRetrievalError as Error;
    match docker_credential::get_credential_from_reader(BufReader::new(opened), server) {
        Ok(DockerCredential::UsernamePassword(user, password)) => {
            Ok(Credential::Password { user, password })
        }
        Ok(DockerCredential::IdentityToken(token)) => Ok(Credential::IdentityToken(token)),
        Err(Error::NoCredentialConfigured) => Ok(Credential::None),
        // What helpers of docker answer for a registry that they do not know.
        Err(Error::HelperFailure { stdout, stderr, .. })
            if stdout.contains("not found") || stderr.contains("not found") =>
        {
            Ok(Credential::None)
        }
        // Its words may hold secrets.
        Err(Error::HelperFailure { .. } | Error::HelperCommunicationError) => Err(failed(
            "its credential helper could not be run, or failed; try `docker-credential-.. get` by hand",
        )),
        Err(Error::MalformedHelperResponse) => Err(failed(
            "its credential helper answered with no credentials; update it",
        )),
        Err(Error::CredentialDecodingError | Error::CredentialMismatchError) => {
            Err(failed("an `auth` there is damaged; log in again"))
        }
        Err(_) => Err(failed(
            "it is not a docker configuration; see `docker login`",
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn config(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        file
    }

    fn shown(registry: &str, text: &str) -> String {
        match read(registry, config(text).path(), true) {
            Ok(Credential::None) => "none".to_owned(),
            Ok(Credential::Password { user, password }) => format!("{user}:{password}"),
            Ok(Credential::IdentityToken(token)) => format!("token {token}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn docker_and_kubernetes_configurations_are_read() {
        let text = r#"{"auths": {
            "localhost:5000": {"auth": "YWRhOnNlY3JldA=="},
            "https://index.docker.io/v1/": {"username": "hub", "password": "p"},
            "acme.azurecr.io": {"auth": "MDA6", "identitytoken": "t"}
        }}"#;
        assert_eq!(shown("localhost:5000", text), "ada:secret");
        assert_eq!(shown("docker.io", text), "hub:p");
        assert_eq!(shown("acme.azurecr.io", text), "token t");
        assert_eq!(shown("ghcr.io", text), "none");
        assert_eq!(shown("ghcr.io", "{}"), "none");
    }

    #[test]
    fn a_file_that_cannot_be_used_is_named_and_not_shown() {
        let damaged = shown("a.io", r#"{"auths": {"a.io": {"auth": "c2VjcmV0"}}}"#);
        assert!(damaged.contains("is damaged; log in again"), "{damaged}");
        let text = shown("a.io", "secret");
        assert!(text.contains("is not a docker configuration"), "{text}");
        assert!(!text.contains("secret"), "{text}");
        let missing = Path::new("/nowhere/config.json");
        assert!(matches!(read("a.io", missing, false), Ok(Credential::None)));
        let error = read("a.io", missing, true).map(|_| ()).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("/nowhere/config.json: it cannot be opened")
        );
    }

    #[test]
    fn a_helper_that_is_missing_is_said() {
        let error = shown("a.io", r#"{"credHelpers": {"a.io": "no-such-helper"}}"#);
        assert!(
            error.contains("its credential helper could not be run"),
            "{error}"
        );
    }
}
