//! What the operator is told when it starts.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;
use std::time::Duration;

use sandglass_manifest::{HttpRule, OciReference};

use crate::plan::ObjectName;

/// What holds for all servers.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The image of `sandglass`.
    pub image: String,
    /// When nodes pull it; `None`: as Kubernetes does.
    pub image_pull_policy: Option<PullPolicy>,
    /// The Secrets, in each server's namespace, with which they may.
    pub image_pull_secrets: Vec<ObjectName>,
    /// The namespace whose servers are served; `None`: those of all.
    pub namespace: Option<String>,
    /// The namespace that the operator runs in: it may ask pods for their tools.
    pub own_namespace: String,
    /// Runtimes of KAOS that are served like our own.
    pub adopt: BTreeSet<Adopted>,
    /// Components that stand for packages.
    pub packages: Packages,
    /// Hosts that tools reach where their server says nothing of it, as the manifest writes them.
    pub default_allow_http: Vec<AllowedHost>,
    /// The gateway that routes are attached to.
    pub gateway: Option<Gateway>,
    /// Whether a server's `podSpec` may ask for nothing that the `restricted` Pod Security Standard refuses, nor for another
    /// service account than the server's own.
    pub confine_pod_spec: bool,
    /// The namespaces, beside the operator's own, whose pods reach the management ports of hosts, to read metrics.
    pub scrape_namespaces: Vec<ObjectName>,
    /// How long it may take until a change of the tools that a host serves is in the status.
    pub tools_interval: Duration,
}

/// When a node pulls an image (Kubernetes documentation, "Image pull policy").
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, clap::ValueEnum)]
#[value(rename_all = "PascalCase")]
pub enum PullPolicy {
    /// Whenever a container starts.
    Always,
    /// Where it is not there.
    IfNotPresent,
    /// Never: it is there.
    Never,
}

/// A runtime of KAOS that can be adopted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Adopted {
    /// `fromString`, `fromSecretKeyRef`, and packages of the package map.
    PythonRuntime,
}

/// Components by the names of the Python packages that they take the place of.
#[derive(Debug, Clone, Default)]
pub struct Packages(BTreeMap<String, OciReference>);

impl Packages {
    /// The component for a package, in whatever way its name is written (PEP 503).
    pub fn get(&self, package: &str) -> Option<&OciReference> {
        self.0.get(&normalized(package))
    }
}

impl FromIterator<Package> for Packages {
    fn from_iter<T: IntoIterator<Item = Package>>(packages: T) -> Self {
        let packages = packages.into_iter();
        Self(
            packages
                .map(|package| (normalized(&package.name), package.component))
                .collect(),
        )
    }
}

/// One entry of the package map: `test-mcp-echo-server=oci://registry/repository:tag`.
#[derive(Debug, Clone)]
pub struct Package {
    name: String,
    component: OciReference,
}

impl FromStr for Package {
    type Err = String;

    fn from_str(given: &str) -> Result<Self, String> {
        let (name, component) = given
            .split_once('=')
            .filter(|(name, _)| !name.is_empty())
            .ok_or("write PACKAGE=oci://REGISTRY/REPOSITORY:TAG")?;
        Ok(Self {
            name: name.to_owned(),
            component: component.parse().map_err(|error| format!("{error}"))?,
        })
    }
}

/// Lower case, and any run of `-`, `_` and `.` is one `-` (PEP 503, "Normalized names").
fn normalized(package: &str) -> String {
    let lower = package.to_ascii_lowercase();
    let parts = lower.split(['-', '_', '.']).filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("-")
}

/// A host, with a port or not, as the manifest's `allow.http` has it.
#[derive(Debug, Clone)]
pub struct AllowedHost(String);

impl AllowedHost {
    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AllowedHost {
    type Err = String;

    fn from_str(given: &str) -> Result<Self, String> {
        match given.parse::<HttpRule>() {
            Ok(_) => Ok(Self(given.to_owned())),
            Err(error) => Err(format!("{error}")),
        }
    }
}

/// A Gateway of the Gateway API: `namespace/name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gateway {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl FromStr for Gateway {
    type Err = String;

    fn from_str(given: &str) -> Result<Self, String> {
        match given.split_once('/') {
            Some((namespace, name))
                if !namespace.is_empty() && !name.is_empty() && !name.contains('/') =>
            {
                Ok(Self {
                    namespace: namespace.to_owned(),
                    name: name.to_owned(),
                })
            }
            _ => Err("write NAMESPACE/NAME".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_found_however_its_name_is_written() {
        let package: Package = "Test_MCP.echo-server=oci://r.example/echo:1"
            .parse()
            .unwrap();
        let packages = Packages::from_iter([package]);
        assert!(packages.get("test-mcp-echo-server").is_some());
        assert!(packages.get("test.mcp__echo_server").is_some());
        assert!(packages.get("test-mcp").is_none());
        for wrong in [
            "echo",
            "=oci://r.example/echo:1",
            "echo=oci://r.example/echo",
        ] {
            assert!(wrong.parse::<Package>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_gateway_has_a_namespace_and_a_name() {
        assert_eq!("a/b".parse::<Gateway>().unwrap().name, "b");
        for wrong in ["a", "a/", "/b", "a/b/c", ""] {
            assert!(wrong.parse::<Gateway>().is_err(), "{wrong}");
        }
    }
}
