//! The manifest: one document that says what a host serves, and under which limits.
//!
//! [`Manifest::parse`] turns YAML or JSON text into a resolved, validated [`Manifest`]; everything a
//! document may leave out has its value there, paths are absolute, and no value needs checking again.
//! Nothing is ignored: a key or a value that has no effect is an error that names its place.

mod allow;
mod amount;
mod audit;
mod certificate;
mod digest;
mod document;
mod duration;
mod engine;
mod error;
mod field;
mod filter;
mod host;
mod http_rule;
mod identity;
mod jwt;
mod keys;
mod kubernetes;
mod limits;
mod list;
mod manifest;
mod name;
mod oci;
mod origin;
mod parts;
mod path;
mod pattern;
mod place;
mod resolve;
mod scalar;
mod schema;
mod scope;
mod script;
mod secret;
mod size;
mod source;
mod store;
mod tasks;
mod tenant;
mod unreadable;
mod url;
mod verify;
mod wassette;
mod yaml;

pub use allow::{Access, Allow, FolderGrant};
pub use amount::{Count, Fuel};
pub use audit::{Audit, AuditTarget};
pub use certificate::CertificateIdentity;
pub use digest::{Digest, InvalidDigest};
pub use duration::Duration;
pub use engine::Engine;
pub use error::ManifestError;
pub use filter::ToolFilter;
pub use host::HostPattern;
pub use http_rule::HttpRule;
pub use identity::{Identity, Token, TokenEntry, TokenValue};
pub use jwt::{JwtAlgorithm, JwtIssuer, TenantOf};
pub use kubernetes::{KubernetesKey, KubernetesKind, KubernetesObject};
pub use limits::{HttpLimits, Limits, Queue};
pub use manifest::{Defaults, Manifest, Tool, Version};
pub use name::{SourceName, ToolPrefix};
pub use oci::OciReference;
pub use origin::{Origin, Surroundings};
pub use parts::{Part, Parts};
pub use path::PathPrefix;
pub use pattern::SourcePattern;
pub use place::Placed;
pub use scalar::InvalidValue;
pub use schema::json_schema;
pub use scope::Scope;
pub use script::{Inline, Language};
pub use secret::{SecretRef, TextOrSecret};
pub use size::ByteSize;
pub use source::{HttpsSource, SourceRef};
pub use store::{Store, StoreKind, StoreName};
pub use tasks::Tasks;
pub use tenant::{Quota, Tenant, TenantName};
pub use unreadable::unreadable;
pub use verify::{Cosign, Keyless, SignatureRule, Verify};
pub use wassette::WassettePolicy;
pub use yaml::read_document;

#[cfg(test)]
mod properties;
