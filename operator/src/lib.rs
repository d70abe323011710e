//! The Kubernetes operator of Sandglass: `sandglass-operator run` makes hosts of the MCPServers in a cluster.
//!
//! A look at a server goes one way: its spec ([`crd`]) is parsed into a [`plan`], which is valid by its type; from that come
//! the [`objects`] that it needs, by pure functions; [`control`] makes them what they should be, by server-side apply, looks at
//! what became of them, and writes the status. Nothing is kept between two looks that a restart would lose.
//!
//! # For whoever deploys it
//!
//! | what | is |
//! |---|---|
//! | the program | `sandglass-operator run --image IMAGE`; `sandglass-operator run --help` has all flags with their variables |
//! | ports | `--listen`, 8080: `/healthz`, `/readyz`, `/metrics` |
//! | the definition | `sandglass-operator crds` prints it; the operator installs it too where there is none |
//! | rights | [`rbac`]: `sandglass-operator rbac` prints a ClusterRole, and a Role for its own namespace |
//! | variables that a chart sets | `SANDGLASS_IMAGE`, and `POD_NAMESPACE` from `metadata.namespace` |
//!
//! It reaches the API server, and the management port (9090) of the pods that it makes. It keeps nothing on disk, and runs as
//! any user with a read-only root. Several replicas need `--leader-election`.

pub mod cli;
mod cluster;
mod control;
pub mod crd;
mod leader;
mod merge;
mod metrics;
#[cfg(test)]
mod mock;
pub mod objects;
pub mod plan;
pub mod rbac;
pub mod settings;
