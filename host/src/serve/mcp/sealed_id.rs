//! Session ids that hold what `initialize` agreed, sealed: the host that made one may have forgotten its session, or
//! another replica with the same key is asked, and the session goes on there.

use std::time::Duration;

use rmcp::model::{InitializeRequestParams, RequestStateCodec, SealOptions};
use rmcp::transport::streamable_http_server::session::SessionId;
use serde::{Deserialize, Serialize};

use crate::serve::requester::Requester;

/// How long an id is good for.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// Bytes of what `initialize` says that are sealed: ids travel in a header of each request.
const MAX_PARAMS: usize = 2 << 10;

/// Makes session ids, and reads them.
#[derive(Clone)]
pub struct SealedIds(RequestStateCodec);

#[derive(Serialize, Deserialize)]
struct Sealed {
    /// Tells sessions apart.
    number: String,
    params: InitializeRequestParams,
}

impl SealedIds {
    /// With this codec's key.
    pub fn new(codec: RequestStateCodec) -> Self {
        Self(codec)
    }

    /// An id for the session of this handshake. What is too large for it is left out: the session lives here only.
    pub fn seal(&self, params: &InitializeRequestParams, owner: &Requester) -> SessionId {
        let number = unguessable();
        let sealed = Sealed {
            number: number.clone(),
            params: params.clone(),
        };
        match serde_json::to_vec(&sealed) {
            Ok(sealed) if sealed.len() <= MAX_PARAMS => {
                let owner = binding(owner);
                let options = SealOptions::new().associated_data(&owner).ttl(KEPT);
                self.0.seal_with(&sealed, &options).into()
            }
            _ => number.into(),
        }
    }

    /// What `initialize` agreed in the session of this id, if it is its owner who asks.
    pub fn open(&self, id: &str, owner: &Requester) -> Option<InitializeRequestParams> {
        let sealed: Sealed = self.0.open_json_with(id, &binding(owner)).ok()?;
        Some(sealed.params)
    }
}

/// 128 random bits, in hexadecimal digits.
pub fn unguessable() -> String {
    let mut bits = [0_u8; 16];
    aws_lc_rs::rand::fill(&mut bits).expect("the system gives randomness");
    hex::encode(bits)
}

fn binding(owner: &Requester) -> Vec<u8> {
    let parts = ("session", owner.tenant.as_str(), owner.caller.id());
    serde_json::to_vec(&parts).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::invoke::{Caller, StateKey, TenantId};
    use serde_json::{Value, json};

    fn params(name: &str) -> InitializeRequestParams {
        let params: Value = json!({
            "protocolVersion": "2025-11-25",
            "capabilities": {"elicitation": {}},
            "clientInfo": {"name": name, "version": "1"},
        });
        serde_json::from_value(params).unwrap()
    }

    fn of(tenant: &str, caller: Caller) -> Requester {
        Requester {
            tenant: TenantId::from(tenant),
            caller,
        }
    }

    #[test]
    fn an_id_opens_for_its_owner_with_the_same_key_only() {
        let ids = SealedIds::new(StateKey::random().codec());
        let others = SealedIds::new(StateKey::random().codec());
        let owner = of("acme", Caller::Anonymous);
        let id = ids.seal(&params("me"), &owner);
        assert_eq!(ids.open(&id, &owner).unwrap().client_info.name, "me");
        assert!(others.open(&id, &owner).is_none());
        for other in [of("zoo", Caller::Anonymous), of("acme", Caller::Local)] {
            assert!(ids.open(&id, &other).is_none());
        }
        assert_ne!(
            id,
            ids.seal(&params("me"), &owner),
            "each session has its own"
        );
    }

    #[test]
    fn an_id_stays_short() {
        let ids = SealedIds::new(StateKey::random().codec());
        let owner = of("acme", Caller::Anonymous);
        let id = ids.seal(&params(&"x".repeat(MAX_PARAMS)), &owner);
        assert_eq!(id.len(), 32);
    }
}
