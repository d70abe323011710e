//! From a spec to what is to be made of it: a [`Plan`] is valid by its type, and a [`Problem`] says what is not.

mod entry;
mod environment;
mod name;
mod placement;
mod pod_patch;
mod private_files;
mod problem;
mod quantity;
mod reference;
mod scale;
mod source;
mod timeout;

use std::net::IpAddr;

use kube::ResourceExt;
use serde::{Deserialize, Serialize};

pub use entry::Entry;
use entry::Written;
pub use environment::Environment;
pub use name::ObjectName;
pub use placement::{Placement, object_folder};
pub use pod_patch::PodPatch;
pub use problem::{Problem, Reason};
pub use reference::{Reference, ReferenceKind};
pub use scale::{Budget, Scale};
pub use source::{MountedKey, Source};
pub use timeout::RouteTimeout;

use crate::crd::{MCPServer, MCPServerSpec};
use crate::settings::{Adopted, Settings};

/// The longest name of a server: a Service's name has 63 characters (RFC 1035), and begins with `mcpserver-`.
const MAX_NAME: usize = 63 - "mcpserver-".len();

/// The tenant whose tools are those at the top of a host's manifest.
const OWN_TENANT: &str = "default";

/// What a server becomes.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The server's name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Where the tools come from.
    pub source: Source,
    /// The tools' entry in the host's manifest.
    pub entry: Entry,
    /// The variables of container and tools.
    pub environment: Environment,
    /// What the pod spec is patched with.
    pub pod_patch: Option<PodPatch>,
    /// How long the gateway waits.
    pub route_timeout: RouteTimeout,
    /// How many pods there are.
    pub scale: Scale,
    /// How many may be missing.
    pub budget: Option<Budget>,
    /// Where its tools run.
    pub placement: Placement,
}

/// A place outside that a server's pod reaches.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Egress {
    /// The address, where it is written as one; a name stands for any.
    pub address: Option<IpAddr>,
    /// The TCP port.
    pub port: u16,
}

impl Plan {
    /// Reads a server's spec.
    pub fn parse(server: &MCPServer, settings: &Settings) -> Result<Self, Problem> {
        let name = server.name_any();
        check_name(&name)?;
        let spec = &server.spec;
        if let Some(error) = &spec.unreadable {
            let message = format!("{error}; correct it");
            return Err(Problem::new(Reason::InvalidSpec, "spec", message));
        }
        check_runtime(&spec.runtime, settings)?;
        let route_timeout = route_timeout(spec)?;
        let source = Source::parse(&spec.config.tools, &settings.packages)?;
        let environment = Environment::parse(&spec.config.env)?;
        let placement = if spec.shared {
            Placement::Shared
        } else {
            Placement::Alone
        };
        let written = Written {
            name: &name,
            placement,
            source: &source,
            tools: &spec.config.tools,
            environment: &environment,
            route: &route_timeout,
        };
        let entry = Entry::parse(&written, settings)?;
        let plan = Self {
            name,
            namespace: server.namespace().unwrap_or_default(),
            source,
            entry,
            environment,
            pod_patch: spec.pod_spec.as_ref().map(PodPatch::parse).transpose()?,
            route_timeout,
            scale: Scale::parse(spec.replicas, spec.autoscaling.as_ref())?,
            budget: Budget::parse(spec.disruption_budget.as_ref())?,
            placement,
        };
        plan.check_shared()?;
        Ok(plan)
    }

    /// The objects that must be there before there can be a pod.
    pub fn references(&self) -> Vec<Reference> {
        let tools = self.source.reference().into_iter();
        let keys = self.entry.key_reference().into_iter();
        tools
            .chain(keys)
            .chain(self.environment.references())
            .collect()
    }

    /// What differs from the other tenants of a shared host cannot be there.
    fn check_shared(&self) -> Result<(), Problem> {
        if self.placement == Placement::Alone {
            return Ok(());
        }
        if self.name == OWN_TENANT {
            let message = format!(
                "a shared host has a tenant `{OWN_TENANT}` of its own; choose another name, or set `shared: false`"
            );
            return Err(Problem::new(Reason::NotShareable, "metadata.name", message));
        }
        let refuse = |field: &str, what: &str| {
            let message = format!(
                "{what}, and a shared host has one for all of its tenants; remove it, or set `shared: false`"
            );
            Err(Problem::new(Reason::NotShareable, field, message))
        };
        if self.pod_patch.is_some() {
            return refuse("spec.podSpec", "the server has a pod spec of its own");
        }
        if self.scale != Scale::Free {
            return refuse(
                "spec.replicas, spec.autoscaling",
                "the server has a scale of its own",
            );
        }
        if self.budget.is_some() {
            return refuse(
                "spec.disruptionBudget",
                "the server has a budget of its own",
            );
        }
        if self.entry.has_own_hosts() {
            return refuse(
                "spec.config.tools.allow.http",
                "the server reaches hosts of its own",
            );
        }
        if self.entry.has_own_files() {
            return refuse(
                "spec.config.tools.allow.files",
                "the server reads folders of its own",
            );
        }
        Ok(())
    }
}

fn check_name(name: &str) -> Result<(), Problem> {
    let well_formed = name.len() <= MAX_NAME
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if well_formed {
        return Ok(());
    }
    Err(Problem::new(
        Reason::InvalidName,
        "metadata.name",
        format!(
            "`{name}` cannot be part of a Service's name; use at most {MAX_NAME} lower-case letters, digits and `-`, without dots"
        ),
    ))
}

fn check_runtime(runtime: &str, settings: &Settings) -> Result<(), Problem> {
    let refuse = |reason, message: String| Err(Problem::new(reason, "spec.type", message));
    match runtime {
        "wasm-runtime" => Ok(()),
        "python-runtime" if settings.adopt.contains(&Adopted::PythonRuntime) => Ok(()),
        "python-runtime" => refuse(
            Reason::NotAdopted,
            "python-runtime is not served here; write `wasm-runtime`, or start the operator with `--adopt python-runtime`".to_owned(),
        ),
        other => refuse(
            Reason::UnknownRuntime,
            format!("there is no runtime `{other}`; write `wasm-runtime`"),
        ),
    }
}

fn route_timeout(spec: &MCPServerSpec) -> Result<RouteTimeout, Problem> {
    let written = spec
        .gateway_route
        .as_ref()
        .and_then(|route| route.timeout.as_deref());
    written
        .map_or_else(|| Ok(RouteTimeout::default()), str::parse)
        .map_err(|message| {
            Problem::new(Reason::InvalidTimeout, "spec.gatewayRoute.timeout", message)
        })
}

#[cfg(test)]
pub(crate) mod tests;
