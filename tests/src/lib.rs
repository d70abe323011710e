//! The harness of the end-to-end tests: the built `sandglass` as a process, spoken to over real sockets and pipes.
//!
//! Everything here panics where a test cannot go on, and says with what the host had written to its log.

mod answer;
mod authorization_server;
mod certificates;
mod cgroup;
mod change;
mod chart;
mod client;
pub mod cluster;
mod components;
pub mod composed;
mod deadline;
mod fake;
pub mod flood;
mod held;
mod host;
mod hostile;
mod kaos;
mod kubernetes;
mod log;
pub mod mcp;
mod model;
mod objects;
mod person;
mod ports;
mod raw;
mod reach;
mod redis;
mod registry;
mod server;
mod stdio;
mod token;

pub use answer::Answer;
pub use authorization_server::{AuthorizationServer, token};
pub use cgroup::Cgroup;
pub use change::{Mounted, degraded, replace, serves, well};
pub use chart::{Chart, NAMESPACE, RELEASE};
pub use client::{Client, client_program};
pub use components::{Folder, conformance, core_module, foreign, grow_table, guest, tool};
pub use deadline::{PATIENCE, eventually, within};
pub use fake::{Asked, Fake, reply};
pub use held::Held;
pub use host::{Finished, Host, Launch, manifest, refused, serve_python};
pub use hostile::Hostile;
pub use kaos::{Kaos, Pod, Volumes, samples};
pub use kubernetes::{KubernetesApi, Token};
pub use model::Model;
pub use objects::{objects, objects_of, strict};
pub use person::{Talk, talk};
pub use ports::free_ports;
pub use raw::{raw, raw_post};
pub use reach::Reach;
pub use redis::Redis;
pub use registry::{Registry, RegistryKind};
pub use server::{Seen, Server};
pub use stdio::Stdio;
pub use token::sha256;

/// The repository's root.
pub fn root() -> &'static std::path::Path {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("tests/ lies in the repository")
}
