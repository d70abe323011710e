//! An API server whose answers a test gives.

use std::sync::{Arc, Mutex};

use http::{Method, Request, Response};
use http_body_util::BodyExt;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tower::service_fn;

/// A request to the API server.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    pub method: Method,
    pub path: String,
    pub body: Value,
}

/// What was asked so far.
#[derive(Debug, Clone, Default)]
pub struct Record(Arc<Mutex<Vec<Asked>>>);

impl Record {
    /// All that changes something.
    pub fn writes(&self) -> Vec<Asked> {
        let asked = self.0.lock().unwrap();
        let writes = asked.iter().filter(|asked| asked.method != Method::GET);
        writes.cloned().collect()
    }
}

/// The answer that there is nothing.
pub fn not_found() -> (u16, Value) {
    failure(404, "NotFound", "not found")
}

/// An answer that says no.
pub fn failure(code: u16, reason: &str, message: &str) -> (u16, Value) {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "code": code, "reason": reason, "message": message,
    });
    (code, status)
}

/// A list.
pub fn list(items: &[Value]) -> (u16, Value) {
    let list = json!({ "kind": "List", "apiVersion": "v1", "metadata": { "resourceVersion": "1" }, "items": items });
    (200, list)
}

/// A client whose requests are answered so. Watches see nothing happen.
pub fn client(answer: impl Fn(&Asked) -> (u16, Value) + Send + Sync + 'static) -> (Client, Record) {
    let record = Record::default();
    let asked_so_far = record.clone();
    let answer = Arc::new(answer);
    let service = service_fn(move |request: Request<Body>| {
        let (record, answer) = (asked_so_far.clone(), Arc::clone(&answer));
        async move {
            let (parts, body) = request.into_parts();
            if parts
                .uri
                .query()
                .is_some_and(|query| query.contains("watch=true"))
            {
                return std::future::pending().await;
            }
            let body = body.collect().await?.to_bytes();
            let asked = Asked {
                method: parts.method,
                path: parts.uri.path().to_owned(),
                body: serde_json::from_slice(&body).unwrap_or_default(),
            };
            let (status, answer) = answer(&asked);
            record.0.lock().unwrap().push(asked);
            let answer = Response::builder()
                .status(status)
                .body(Body::from(answer.to_string().into_bytes()));
            Ok::<_, kube::Error>(answer.unwrap())
        }
    });
    (Client::new(service, "default"), record)
}
