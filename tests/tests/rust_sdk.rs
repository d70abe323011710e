//! Tools that are written with the Rust SDK: `guest-sdk/examples/whole.rs`.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Query;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use sandglass_tests::mcp::Way;
use sandglass_tests::{Host, Launch, foreign};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Barrier;

/// How long a request waits for the other one of its pair.
const PATIENCE: Duration = Duration::from_secs(120);

/// What the tools reach: `/now` answers once two requests are there, `/book` echoes what it was sent, `/large` is more
/// than a call may receive. Its port.
async fn services() -> u16 {
    let both = Arc::new(Barrier::new(2));
    let now = async move |Query(query): Query<Value>| {
        if tokio::time::timeout(PATIENCE, both.wait()).await.is_err() {
            return (StatusCode::SERVICE_UNAVAILABLE, "the other one never came").into_response();
        }
        axum::Json(json!({ "city": query["city"], "celsius": 14.5 })).into_response()
    };
    let book = async |headers: HeaderMap, body: String| {
        let key = headers["authorization"].to_str().unwrap_or_default();
        format!("{body} with a key of {} characters", key.len())
    };
    let router = Router::new()
        .route("/now", get(now))
        .route("/book", post(book))
        .route(
            "/sold-out/book",
            post(async || (StatusCode::CONFLICT, "no seats")),
        )
        // The request is read to its end: else the connection may be reset while the answer is on its way.
        .route(
            "/large/book",
            post(async |_: axum::body::Bytes| vec![b'x'; 9 << 20]),
        );
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a loopback port");
    let port = listener.local_addr().expect("it is bound").port();
    tokio::spawn(async move { axum::serve(listener, router).await });
    port
}

/// A host with the example, and these grants: what stands after `allow:`, in one line.
async fn host(allow: &str) -> Host {
    Launch::manifest(&format!(
        "version: 1\nstores: {{ visits: {{ kind: embedded, path: visits.redb }} }}\ntools:\n  - {{ source: 'file:{}', allow: {allow} }}\n",
        foreign("rust_sdk"),
    ))
    .start()
    .await
}

/// Grants of all that the tools want; `path` stands before `/book`.
fn all(port: u16, path: &str) -> String {
    format!(
        "{{ http: [ {{ host: 127.0.0.1, port: {port}, private: true }} ], keyvalue: [visits], \
         env: {{ PRICE: '0.5', WEATHER: 'http://127.0.0.1:{port}', BOOKING: 'http://127.0.0.1:{port}{path}', BOOKING_KEY: s3cret }} }}"
    )
}

#[tokio::test]
async fn every_part_of_the_sdk_works_in_a_host() {
    let port = services().await;
    let host = host(&all(port, "")).await;
    let result = async |tool: &str, arguments: Value| {
        let answer = host.call(tool, arguments).await;
        assert_eq!(answer.status, 200, "{tool}: {answer:?}");
        answer.json()["result"].take()
    };
    let legs = json!([{ "to": "Paris", "distance": 878 }, { "to": "Lyon", "distance": 122 }]);
    assert_eq!(
        result(
            "quote",
            json!({ "legs": legs, "class": "first", "discount": 50 })
        )
        .await,
        json!({ "distance": 1000, "price": 500.0 })
    );
    // Each of the two is answered only while the other one waits.
    assert_eq!(
        result("weather", json!({ "cities": ["Paris", "Aix & Arles"] })).await,
        json!([{ "city": "Paris", "celsius": 14.5 }, { "city": "Aix & Arles", "celsius": 14.5 }])
    );
    assert_eq!(
        result("book-journey", json!({ "to": "Paris" })).await,
        r#"{"to":"Paris"} with a key of 13 characters"#
    );
    for visits in 1..=2 {
        assert_eq!(result("visits", json!({ "city": "Paris" })).await, visits);
    }
    let postcard = Way::Modern
        .call(&host, "postcard", json!({ "city": "Paris" }))
        .await;
    let kinds: Vec<_> = postcard["content"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|block| block["type"].as_str().unwrap_or_default())
        .collect();
    assert_eq!(kinds, ["text", "image", "resource_link"], "{postcard}");
    assert_eq!(result("countdown", json!({ "from": 3 })).await, 3);
    assert_eq!(
        result("timetable", json!({})).await,
        json!([{ "to": "Paris", "distance": 878 }])
    );
    assert!(!host.log().contains("s3cret"), "{}", host.log());
}

#[tokio::test]
async fn a_grant_that_is_missing_is_named() {
    let port = services().await;
    let settings = |more: &str| {
        format!(
            "{{ env: {{ WEATHER: 'http://127.0.0.1:{port}', BOOKING: 'http://127.0.0.1:{port}', BOOKING_KEY: s3cret }}{more} }}"
        )
    };
    let weather = json!({ "cities": ["Paris"] });
    let refused = async |allow: &str, tool: &str, arguments: &Value| {
        let host = host(allow).await;
        let error = host.call(tool, arguments.clone()).await.error();
        assert!(!error.contains("s3cret"), "{error}");
        error
    };
    assert_eq!(
        refused(&settings(""), "weather", &weather).await,
        format!(
            "GET http://127.0.0.1:{port}/now is not granted: allow it at this tool's source in the manifest, \
             `allow: {{ http: [ {{ host: 127.0.0.1, port: {port}, methods: [GET] }} ] }}`"
        )
    );
    // The host's refusal is told also where there was a body to send.
    let error = refused(&settings(""), "book-journey", &json!({ "to": "Paris" })).await;
    assert!(
        error.starts_with(&format!("POST http://127.0.0.1:{port}/book is not granted")),
        "{error}"
    );
    let public = format!(", http: [ {{ host: 127.0.0.1, port: {port} }} ]");
    let error = refused(&settings(&public), "weather", &weather).await;
    assert!(
        error.contains("has a private address") && error.contains("private: true"),
        "{error}"
    );
    let error = refused("{ env: { OTHER: value } }", "weather", &weather).await;
    assert!(
        error.contains("`allow: { env: { WEATHER: .. } }`"),
        "{error}"
    );
    let error = refused(
        "{ env: { OTHER: value } }",
        "book-journey",
        &json!({ "to": "Paris" }),
    )
    .await;
    assert!(
        error.contains("{ BOOKING_KEY: { secret: { file: /path/of/BOOKING_KEY } } }"),
        "{error}"
    );
    let error = refused(
        "{ env: { OTHER: value } }",
        "visits",
        &json!({ "city": "Paris" }),
    )
    .await;
    assert!(error.contains("`allow: { keyvalue: [visits] }`"), "{error}");
}

#[tokio::test]
async fn a_server_that_does_not_do_what_was_asked_is_told() {
    let port = services().await;
    let book = async |path: &str| {
        let host = host(&all(port, path)).await;
        host.call("book-journey", json!({ "to": "Paris" }))
            .await
            .error()
    };
    assert_eq!(
        book("/sold-out").await,
        format!(
            "POST http://127.0.0.1:{port}/sold-out/book: the server answered 409 Conflict: no seats"
        )
    );
    let error = book("/large").await;
    assert!(
        error.contains("`limits: { http: { received: .. } }`"),
        "{error}"
    );
    let nobody = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a loopback port");
    let closed = nobody.local_addr().expect("it is bound").port();
    drop(nobody);
    let host = host(&all(closed, "")).await;
    let error = host
        .call("book-journey", json!({ "to": "Paris" }))
        .await
        .error();
    assert!(
        error.ends_with("/book: the connection was refused"),
        "{error}"
    );
}
