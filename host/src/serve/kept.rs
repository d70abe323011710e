//! Documents of what a caller may see: written once for each version of what a tenant has and each set of scopes, in the
//! tenant's lane, and kept for who asks next.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use axum::body::Bytes;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::App;
use super::body::BodyError;
use super::requester::Requester;
use crate::invoke::{Basis, TenantAccount, TenantId, Visible};

/// Documents of one tenant that are kept: the three kinds for a few sets of scopes.
const MAX_KEPT: usize = 16;

/// Which document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `/openapi.json`
    OpenApi,
    /// `/mcp/tools`
    Tools,
    /// `/mcp/list_tools`
    ShortList,
}

/// The documents that are kept.
#[derive(Default)]
pub struct Kept(Mutex<HashMap<TenantId, VecDeque<Document>>>);

struct Document {
    kind: Kind,
    basis: Basis,
    text: Bytes,
}

/// The document of this kind for who asks, which `write` makes of what is visible to them.
pub async fn document(
    app: &App,
    asks: &Requester,
    account: &TenantAccount,
    kind: Kind,
    write: impl FnOnce(&Visible<'_>) -> Value + Send + 'static,
) -> Response {
    let basis = app.invoker.visible(&asks.tenant, &asks.caller).basis();
    let kept = app.kept.get(&asks.tenant, kind, &basis);
    let text = match kept {
        Some(text) => text,
        None => {
            let _list = match account.list().await {
                Ok(list) => list,
                Err(full) => return BodyError::from(full).into_response(),
            };
            let (of, asks) = (app.clone(), asks.clone());
            let writing = move || {
                let visible = of.invoker.visible(&asks.tenant, &asks.caller);
                let basis = visible.basis();
                // Who had the turn before may have written it.
                if let Some(text) = of.kept.get(&asks.tenant, kind, &basis) {
                    return text;
                }
                let text = Bytes::from(write(&visible).to_string());
                of.kept.put(&asks.tenant, kind, basis, text.clone());
                text
            };
            account.lane().run_through(writing).await
        }
    };
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}

impl Kept {
    fn get(&self, tenant: &TenantId, kind: Kind, basis: &Basis) -> Option<Bytes> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut documents = all.get(tenant)?.iter();
        let found = documents.find(|document| document.kind == kind && document.basis == *basis);
        found.map(|document| document.text.clone())
    }

    fn put(&self, tenant: &TenantId, kind: Kind, basis: Basis, text: Bytes) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let documents = all.entry(tenant.clone()).or_default();
        documents.retain(|document| {
            let is_same = document.kind == kind && document.basis == basis;
            !is_same && document.basis.is_current()
        });
        documents.push_front(Document { kind, basis, text });
        documents.truncate(MAX_KEPT);
    }
}
