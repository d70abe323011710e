//! Outbound HTTP: which requests pass, where they are connected to, and what comes back.
//!
//! A request passes if a rule covers its method, host, port and path. The host's name is looked up once, each address is
//! checked ([`address`](crate::address)), and the connection goes to one of those that were checked. Redirects are not followed: they
//! are the guest's to follow, as new requests.
//!
//! - [`rule`]: rules, and what a request's URL means.
//! - [`resolve`]: from names to addresses.
//! - [`tls`]: whom TLS trusts.
//! - [`send`]: one request and its response. [`head`]: what may come before it.
//! - [`budget`]: what all requests of a call may use.

mod budget;
mod head;
mod resolve;
mod rule;
mod send;
mod tls;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use sandglass_manifest::{HttpLimits, HttpRule, ManifestError};

use self::budget::Budgets;
use self::resolve::{Resolve, System};
use self::rule::Rule;
pub(in crate::sandbox) use self::send::Outbound;
use super::super::file_share::FileShare;
use super::super::memory::HostMemory;
use super::trail::Trail;

/// The requests that a source's tools may make.
#[derive(Clone)]
pub struct Http {
    rules: Arc<[Rule]>,
    resolver: Arc<dyn Resolve>,
}

impl Default for Http {
    /// None.
    fn default() -> Self {
        Self {
            rules: Arc::default(),
            resolver: Arc::new(System::default()),
        }
    }
}

impl Http {
    /// Reads secrets and certificates of the rules. Blocks on files.
    pub(super) fn configure(rules: &[HttpRule]) -> Result<Self, ManifestError> {
        let rules = rules
            .iter()
            .enumerate()
            .map(|(index, rule)| Rule::compile(rule, &format!("allow.http[{index}]")))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            rules,
            ..Self::default()
        })
    }

    /// What a call may send.
    pub(super) fn prepare(
        &self,
        limits: &HttpLimits,
        host_memory: HostMemory,
        files: FileShare,
        trail: Trail,
    ) -> Outbound {
        Outbound {
            http: self.clone(),
            host_memory,
            files,
            budgets: Arc::new(Budgets::new(limits)),
            trail,
        }
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Http({} rules)", self.rules.len())
    }
}
