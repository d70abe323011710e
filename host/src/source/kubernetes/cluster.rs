//! Which cluster there is, and who we are to it.

use std::fmt;
use std::path::{Path, PathBuf};

use http::HeaderValue;
use http::header::USER_AGENT as USER_AGENT_HEADER;
use kube::client::ClientBuilder;
use kube::config::{Kubeconfig, KubeconfigError};
use kube::{Client, Config};

use crate::source::http::{CONNECT_TIMEOUT, USER_AGENT};

/// Kubernetes sets it in every pod.
const SERVICE_HOST: &str = "KUBERNETES_SERVICE_HOST";

/// An API server that can be spoken to.
pub struct Cluster {
    /// Keeps its connections and its credentials.
    pub client: Client,
    /// The server's URL.
    pub server: String,
    /// Where the credentials come from.
    pub origin: Origin,
}

/// What says where the API server is and who we are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The files that `KUBECONFIG` names.
    Environment,
    /// `~/.kube/config`.
    Home(PathBuf),
    /// The pod that we run in.
    Pod,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment => f.write_str("KUBECONFIG"),
            Self::Home(path) => path.display().fmt(f),
            Self::Pod => f.write_str("this pod's service account"),
        }
    }
}

/// Why no cluster can be spoken to.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// Nothing says where one is.
    #[error(
        "no Kubernetes cluster is known: KUBECONFIG is not set, ~/.kube/config is not there, and this is no pod; set KUBECONFIG to a kubeconfig"
    )]
    Unknown,
    /// A kubeconfig that is wrong.
    #[error("{origin}: {reason}; check it, as by `kubectl config view`")]
    Kubeconfig {
        /// Which one.
        origin: Origin,
        /// What is wrong.
        reason: String,
    },
    /// A pod without a service account.
    #[error(
        "this pod has no service account that can be used ({0}): set `automountServiceAccountToken: true`"
    )]
    Pod(String),
}

impl Cluster {
    /// Looks where `kubectl` looks: `KUBECONFIG`, then `~/.kube/config`, then the pod. Connects to nothing yet, but a
    /// kubeconfig may name a program that logs in.
    pub async fn find() -> Result<Self, ClusterError> {
        let found = tokio::task::spawn_blocking(|| {
            let (config, origin) = config(std::env::home_dir().as_deref())?;
            Self::of(config, origin)
        });
        found.await.expect("looking for a cluster does not panic")
    }

    fn of(mut config: Config, origin: Origin) -> Result<Self, ClusterError> {
        config.connect_timeout = Some(CONNECT_TIMEOUT);
        // What is tried again, and for how long, is the same for all sources.
        config.default_retry = false;
        let user_agent = HeaderValue::from_static(USER_AGENT);
        config.headers.push((USER_AGENT_HEADER, user_agent));
        let server = config.cluster_url.to_string();
        let server = server.trim_end_matches('/').to_owned();
        match ClientBuilder::try_from(config) {
            Ok(builder) => Ok(Self {
                client: builder.build(),
                server,
                origin,
            }),
            Err(error) => Err(ClusterError::Kubeconfig {
                reason: reason(&error),
                origin,
            }),
        }
    }
}

fn config(home: Option<&Path>) -> Result<(Config, Origin), ClusterError> {
    let read = |origin: Origin, kubeconfig: Result<Kubeconfig, KubeconfigError>| {
        let config = kubeconfig.and_then(Config::try_from);
        match config {
            Ok(config) => Ok((config, origin)),
            Err(error) => Err(ClusterError::Kubeconfig {
                reason: kubeconfig_reason(&error),
                origin,
            }),
        }
    };
    if let Some(kubeconfig) = Kubeconfig::from_env().transpose() {
        return read(Origin::Environment, kubeconfig);
    }
    if let Some(path) = home.map(|home| home.join(".kube/config"))
        && path.exists()
    {
        let kubeconfig = Kubeconfig::read_from(&path);
        return read(Origin::Home(path), kubeconfig);
    }
    if std::env::var_os(SERVICE_HOST).is_none() {
        return Err(ClusterError::Unknown);
    }
    match Config::incluster() {
        Ok(config) => Ok((config, Origin::Pod)),
        Err(error) => Err(ClusterError::Pod(error.to_string())),
    }
}

/// The parser's own words quote the file, which holds credentials.
fn kubeconfig_reason(error: &KubeconfigError) -> String {
    match error {
        KubeconfigError::Parse(error) => match error.location() {
            Some(place) => format!("line {} is no part of a kubeconfig", place.line()),
            None => "it is no kubeconfig".to_owned(),
        },
        other => other.to_string(),
    }
}

/// What went wrong with a credential, without what a program that logs in may have printed.
pub fn reason(error: &kube::Error) -> String {
    use kube::client::AuthError;
    match error {
        kube::Error::Auth(AuthError::AuthExecRun { cmd, out }) => {
            format!("`{cmd}`, which logs in, failed ({})", out.status)
        }
        kube::Error::Auth(AuthError::AuthExecParse(_)) => {
            "the program that logs in printed no credential".to_owned()
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_credential_stands_in_an_error() {
        for text in [
            "users:\n- name: ada\n  user: { token: [hush] }",
            "users:\n- name: ada\n  user: { token: \"hush",
            "hush",
            "[hush]",
        ] {
            let error = Kubeconfig::from_yaml(text).unwrap_err();
            let reason = kubeconfig_reason(&error);
            assert!(!reason.contains("hush"), "{reason}");
            assert!(reason.contains("no part of a kubeconfig"), "{reason}");
        }
        let out = std::process::Command::new("sh")
            .args(["-c", "echo hush; exit 3"])
            .output()
            .unwrap();
        let error = kube::Error::Auth(kube::client::AuthError::AuthExecRun {
            cmd: "login".to_owned(),
            out: Box::new(out),
        });
        assert_eq!(
            reason(&error),
            "`login`, which logs in, failed (exit status: 3)"
        );
    }

    #[test]
    fn a_kubeconfig_that_names_no_cluster_says_so() {
        let config = Kubeconfig::from_yaml("current-context: a").and_then(Config::try_from);
        let reason = kubeconfig_reason(&config.unwrap_err());
        assert!(reason.contains("current context"), "{reason}");
    }
}
