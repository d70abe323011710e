//! Who is served, and who asks.

use std::borrow::Borrow;
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use sandglass_manifest::{Scope, TenantName};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// A tenant: the owner of tools, limits and credentials.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantId(Arc<str>);

impl Default for TenantId {
    /// The tenant of the root paths and of the manifest's top-level `tools`.
    fn default() -> Self {
        Self("default".into())
    }
}

impl TenantId {
    /// Its name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&TenantName> for TenantId {
    fn from(name: &TenantName) -> Self {
        Self(name.as_str().into())
    }
}

impl Borrow<str> for TenantId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The tenants that there are.
#[derive(Debug, Clone)]
pub struct Tenants {
    default: TenantId,
    all: HashSet<TenantId>,
}

impl Tenants {
    /// The default tenant and these.
    pub fn new(others: impl IntoIterator<Item = TenantId>) -> Self {
        let default = TenantId::default();
        let all = others.into_iter().chain([default.clone()]).collect();
        Self { default, all }
    }

    /// The tenant of this name.
    pub fn get(&self, name: &str) -> Option<&TenantId> {
        self.all.get(name)
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &TenantId> {
        self.all.iter()
    }

    /// How many there are; never none.
    pub fn count(&self) -> usize {
        self.all.len()
    }

    /// Whose tools a request is about: the tenant of its path (`None`: a root path) where the caller may see it, else
    /// the credential's, else the default one. None where the path's is no tenant, or not the caller's.
    pub fn resolve(&self, path: Option<&str>, caller: &Caller) -> Option<&TenantId> {
        match (path, caller) {
            (None, Caller::Known(known)) => self.all.get(&known.tenant),
            (None, Caller::Anonymous | Caller::Local) => Some(&self.default),
            (Some(name), caller) => self.get(name).filter(|tenant| match caller {
                Caller::Known(known) => known.tenant == **tenant,
                Caller::Anonymous | Caller::Local => true,
            }),
        }
    }
}

/// Who makes a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// Nobody was asked to say who they are.
    Anonymous,
    /// The person at this machine's terminal.
    Local,
    /// Somebody whose credential was checked.
    Known(Arc<Known>),
}

impl Caller {
    /// Who it is, in the log, the audit and traces; none where nobody was asked.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Anonymous => None,
            Self::Local => Some("local"),
            Self::Known(known) => Some(&known.name),
        }
    }

    /// What tells it from others of its tenant.
    pub fn id(&self) -> CallerId {
        match self {
            Self::Anonymous => CallerId::Anonymous,
            Self::Local => CallerId::Local,
            Self::Known(known) => CallerId::Known {
                issuer: known.issuer.as_deref().map(str::to_owned),
                name: known.name.clone(),
            },
        }
    }

    /// From when on the caller's credential is accepted no more.
    pub fn expires(&self) -> Option<SystemTime> {
        match self {
            Self::Anonymous | Self::Local => None,
            Self::Known(known) => known.expires,
        }
    }

    /// Whether the caller may read the metrics, and the usage and readiness of all tenants.
    pub fn may_manage(&self) -> bool {
        match self {
            Self::Anonymous | Self::Local => true,
            Self::Known(_) => self.may(&Scope::Management),
        }
    }
}

/// A caller in what is sealed or kept for it alone. Each kind is told apart: hosts that share a key or a store may know
/// their callers in other ways.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallerId {
    /// Nobody was asked.
    Anonymous,
    /// The person at the machine's terminal.
    Local,
    /// Somebody whose credential was checked.
    Known {
        /// Who vouches for the name.
        issuer: Option<String>,
        /// The name.
        name: String,
    },
}

/// Bytes of a caller's name that are kept as they are.
const MAX_NAME: usize = 256;

/// A name as it is kept of a caller: the beginning of one that is longer than 256 bytes, and its SHA-256. So it is told from
/// others, and longer than any name that is kept whole.
pub fn kept_name(name: &str) -> String {
    if name.len() <= MAX_NAME {
        return name.to_owned();
    }
    let beginning = &name[..name.floor_char_boundary(MAX_NAME)];
    let hash = hex::encode(Sha256::digest(name));
    format!("{beginning}.. (sha256:{hash})")
}

/// Somebody whose credential was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Who it is, in the log and the audit; never empty, see [`kept_name`].
    pub name: String,
    /// The issuer that vouches for the name; none for a static token.
    pub issuer: Option<Arc<str>>,
    /// Whose tools they may see.
    pub tenant: TenantId,
    /// What they may do.
    pub scopes: Vec<Scope>,
    /// From when on the credential is accepted no more, where it says so itself.
    pub expires: Option<SystemTime>,
}

impl Caller {
    /// Whether the caller may do this in their tenant.
    pub fn may(&self, what: &Scope) -> bool {
        match self {
            Self::Anonymous | Self::Local => true,
            Self::Known(known) => known.scopes.iter().any(|scope| scope.covers(what)),
        }
    }

    /// Whether both are the same, whatever each may do: a fresh token may have other scopes.
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Known(one), Self::Known(other)) => {
                (&one.tenant, &one.issuer, &one.name) == (&other.tenant, &other.issuer, &other.name)
            }
            (one, other) => one == other,
        }
    }
}

#[cfg(test)]
impl From<&str> for TenantId {
    fn from(name: &str) -> Self {
        Self(name.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(tenant: &str, scopes: Vec<Scope>) -> Caller {
        Caller::Known(Arc::new(Known {
            name: "ann".to_owned(),
            issuer: None,
            tenant: tenant.into(),
            scopes,
            expires: None,
        }))
    }

    #[test]
    fn the_path_names_the_tenant_and_else_the_credential_does() {
        let tenants = Tenants::new(["acme".into(), "zoo".into()]);
        let resolve =
            |path, caller: &Caller| tenants.resolve(path, caller).map(TenantId::to_string);
        let some = |name: &str| Some(name.to_owned());
        assert_eq!(resolve(None, &Caller::Anonymous), some("default"));
        assert_eq!(resolve(Some("acme"), &Caller::Anonymous), some("acme"));
        assert_eq!(resolve(Some("nobody"), &Caller::Anonymous), None);
        let ann = known("acme", vec![Scope::AllTools, Scope::Management]);
        assert_eq!(resolve(None, &ann), some("acme"));
        assert_eq!(resolve(Some("acme"), &ann), some("acme"));
        for other in ["zoo", "default", "nobody", "", "ACME"] {
            assert_eq!(resolve(Some(other), &ann), None, "{other}");
        }
        assert_eq!(resolve(None, &known("nobody", vec![])), None);
    }

    #[test]
    fn a_long_name_is_cut_and_still_one_of_its_own() {
        let (short, long) = ("a".repeat(MAX_NAME), "a".repeat(100_000));
        assert_eq!(kept_name(&short), short);
        let kept = kept_name(&long);
        assert!(
            kept.len() < MAX_NAME + 100 && kept.starts_with(&short),
            "{kept}"
        );
        assert_ne!(kept, kept_name(&format!("{long}a")));
        assert!(kept.len() > MAX_NAME, "no short name is the same");
        assert!(kept_name(&"ä".repeat(1_000)).contains("ä.. (sha256:"));
    }

    #[test]
    fn a_scope_covers_one_tool_or_all() {
        let echo = Scope::Tool("echo".to_owned());
        let may = |scopes: &[Scope]| known("acme", scopes.to_vec()).may(&echo);
        assert!(may(&[Scope::AllTools]));
        assert!(may(&[Scope::Management, Scope::Tool("echo".to_owned())]));
        assert!(!may(&[Scope::Tool("ech".to_owned()), Scope::Management]));
        assert!(!may(&[]));
    }

    #[test]
    fn a_caller_stays_the_same_with_other_scopes_but_not_with_another_issuer() {
        let ann = known("acme", vec![]);
        assert!(ann.is_same(&known("acme", vec![Scope::AllTools])));
        assert!(!ann.is_same(&known("zoo", vec![])));
        assert!(!ann.is_same(&Caller::Anonymous));
        let Caller::Known(mut elsewhere) = known("acme", vec![]) else {
            unreachable!()
        };
        Arc::make_mut(&mut elsewhere).issuer = Some("https://login.example".into());
        assert!(!ann.is_same(&Caller::Known(elsewhere)));
    }
}
