//! Who sent a request, and whose tools it is about.

use crate::invoke::{Caller, TenantId};

/// In a request's extensions: who asks, and whose tools they ask for. Put there by [`door`](super::door), read by the
/// endpoints; a request without one is not served.
#[derive(Debug, Clone)]
pub struct Requester {
    /// Whose tools.
    pub tenant: TenantId,
    /// Who asks.
    pub caller: Caller,
}

impl Requester {
    /// The person at this machine's terminal, who asks the default tenant.
    pub fn local() -> Self {
        Self {
            tenant: TenantId::default(),
            caller: Caller::Local,
        }
    }

    /// Whether both are the same caller of the same tenant, whatever each may do.
    pub fn is_same(&self, other: &Self) -> bool {
        self.tenant == other.tenant && self.caller.is_same(&other.caller)
    }
}
