//! Outbound HTTP: what a rule grants, within the limits of a call, with credentials that stay where they belong.

use reqwest::Method;
use sandglass_tests::mcp::{Way, failure, send};
use sandglass_tests::{Fake, Host, Launch, Reach, Server, guest, reply};
use serde_json::{Value, json};

/// What a guest is told of a request that no rule allows.
const DENIED: &str = "HttpRequestDenied";

fn get(url: impl Into<String>) -> Value {
    json!({ "url": url.into() })
}

#[tokio::test]
async fn a_granted_server_is_reached() {
    let server = Server::start().await;
    let reach = Reach::start(&server.grant()).await;
    let arguments = json!({
        "url": server.url("/a%20b?c=d"), "method": "PUT", "headers": { "x-mine": "1" }, "body": "twelve bytes",
    });
    let answer = reach.ok("http", arguments).await;
    assert_eq!(
        (&answer["status"], &answer["body"], &answer["cut"]),
        (&json!(200), &json!("hello"), &Value::Null),
        "{answer}"
    );
    let seen = &server.seen()[0];
    assert_eq!(
        (seen.method.as_str(), seen.path.as_str()),
        ("PUT", "/a%20b?c=d")
    );
    assert_eq!(seen.headers["x-mine"], "1");
    assert_eq!(seen.headers["host"], server.url("")["http://".len()..]);
    assert_eq!(server.bytes(), "twelve bytes".len());
}

#[tokio::test]
async fn a_request_passes_by_host_port_method_and_path() {
    let (server, other) = (Server::start().await, Server::start().await);
    let reach = Reach::start(&format!(
        "{{ http: [ {{ host: 127.0.0.1, port: {}, methods: [GET, POST], path: /v1/, private: true }} ] }}",
        server.port()
    ))
    .await;
    for (method, path) in [("GET", "/v1/"), ("GET", "/v1/x?y=/.."), ("POST", "/v1/x")] {
        let answer = reach
            .ok("http", json!({ "url": server.url(path), "method": method }))
            .await;
        assert_eq!(answer["status"], 200, "{method} {path}: {answer}");
    }
    let allowed = server.seen().len();
    for path in [
        "/",
        "/v10",
        "/V1/x",
        "//v1/x",
        "/v1/../admin",
        "/v1/%2e%2e/admin",
        "/v1/.%2E/admin",
        "/v1/..%2fadmin",
        "/v1/..%5cadmin",
        "/v1/x/../../admin",
        "/%76%31/x",
        "/x?/v1/",
    ] {
        let told = reach.refused("http", get(server.url(path))).await;
        assert!(told.contains(DENIED), "{path}: {told}");
    }
    for method in ["HEAD", "PUT", "DELETE", "CONNECT", "OPTIONS", "get", "BREW"] {
        let arguments = json!({ "url": server.url("/v1/x"), "method": method });
        let told = reach.refused("http", arguments).await;
        assert!(
            told.contains(DENIED) || told.contains("the host refused the method"),
            "{method}: {told}"
        );
    }
    for url in [
        other.url("/v1/x"),
        server.url_as("localhost", "/v1/x"),
        server.url_as("127.0.0.2", "/v1/x"),
        "http://127.0.0.1/v1/x".to_owned(),
    ] {
        let told = reach.refused("http", get(&url)).await;
        assert!(told.contains(DENIED), "{url}: {told}");
    }
    assert_eq!(server.seen().len(), allowed, "{:?}", server.seen());
    assert_eq!(other.connections(), 0);
}

#[tokio::test]
async fn a_grant_is_that_of_its_source_alone() {
    let server = Server::start().await;
    let yaml = format!(
        "version: 1\ntools:\n  - {{ source: 'file:{0}', prefix: a, allow: {1} }}\n  - {{ source: 'file:{0}', prefix: b }}\n",
        guest("reach"),
        server.grant()
    );
    let host = Host::start(&yaml).await;
    let with = host.call("a_http", get(server.url("/"))).await.json();
    assert_eq!(with["result"]["ok"]["status"], 200, "{with}");
    let without = host.call("b_http", get(server.url("/"))).await.json();
    assert!(
        without["result"]["error"]
            .as_str()
            .is_some_and(|told| told.contains(DENIED)),
        "{without}"
    );
}

#[tokio::test]
async fn methods_that_tunnel_or_show_headers_never_pass() {
    let server = Server::start().await;
    let reach = Reach::start(&server.grant()).await;
    for method in ["CONNECT", "TRACE", "TRACK", "trace"] {
        let arguments = json!({ "url": server.url("/"), "method": method });
        let told = reach.refused("http", arguments).await;
        assert!(told.contains(DENIED), "{method}: {told}");
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn requests_of_a_call_are_counted() {
    let server = Server::start().await;
    let yaml = Reach::manifest(&server.grant()) + "    limits: { http: { requests: 3 } }\n";
    let reach = Reach::launch(Launch::manifest(&yaml)).await;
    for _ in 0..2 {
        let before = server.seen().len();
        let outcomes = reach
            .ok("http_many", json!({ "url": server.url("/"), "times": 10 }))
            .await;
        assert_eq!(outcomes["200"], 3, "{outcomes}");
        assert_eq!(
            outcomes.as_object().map(serde_json::Map::len),
            Some(2),
            "{outcomes}"
        );
        assert_eq!(server.seen().len() - before, 3, "each call has its own");
    }
    let opened = reach
        .ok("http_open", json!({ "url": server.url("/"), "times": 10 }))
        .await;
    assert_eq!(opened["held"], 3, "at once too: {opened}");
}

#[tokio::test]
async fn sent_bytes_of_a_call_are_capped() {
    let server = Server::start().await;
    let yaml = Reach::manifest(&server.grant()) + "    limits: { http: { sent: 64KiB } }\n";
    let reach = Reach::launch(Launch::manifest(&yaml)).await;
    let upload = async |bytes: u64| {
        let arguments = json!({ "url": server.url("/"), "method": "POST", "bytes": bytes });
        reach.ok("http_upload", arguments).await
    };
    let answer = upload(64 << 10).await;
    assert_eq!(answer["status"], 200, "{answer}");
    assert_eq!(server.bytes(), 64 << 10);
    let answer = upload(10 << 20).await;
    assert_ne!(answer["status"], 200, "{answer}");
    assert!(server.bytes() <= 2 * (64 << 10), "{} bytes", server.bytes());
    let sent = server.bytes();
    let arguments = json!({ "url": server.url("/"), "method": "POST", "body": "x".repeat(48 << 10), "times": 4 });
    reach.ok("http_many", arguments).await;
    assert!(
        server.bytes() - sent <= 64 << 10,
        "a call's requests count together: {} bytes",
        server.bytes() - sent
    );
}

#[tokio::test]
async fn received_bytes_of_a_call_are_capped() {
    let server = Server::start().await;
    let yaml = Reach::manifest(&server.grant()) + "    limits: { http: { received: 64KiB } }\n";
    let reach = Reach::launch(Launch::manifest(&yaml)).await;
    let answer = reach.ok("http", get(server.url("/bytes?65536"))).await;
    assert_eq!(
        (&answer["read"], &answer["cut"]),
        (&json!(65_536), &Value::Null)
    );
    let answer = reach.ok("http", get(server.url("/endless"))).await;
    let read = answer["read"].as_u64().expect("a number");
    assert!(
        answer["cut"].is_string() && read <= 65_536,
        "{read} bytes, then {}",
        answer["cut"]
    );
    assert!(
        reach.host.peak_memory() < 1 << 30,
        "{} bytes",
        reach.host.peak_memory()
    );
}

#[tokio::test]
async fn a_server_that_never_answers_ends_with_the_calls_deadline() {
    let server = Server::start().await;
    let yaml = Reach::manifest(&server.grant()) + "    limits: { timeout: 1s }\n";
    let reach = Reach::launch(Launch::manifest(&yaml)).await;
    let expected = "Time limit exceeded: the call did not finish within 1s";
    for path in ["/hang", "/stall"] {
        let answer = reach.host.call("http", get(server.url(path))).await;
        assert_eq!((answer.status, answer.error().as_str()), (500, expected));
        let result = Way::Modern
            .call(&reach.host, "http", get(server.url(path)))
            .await;
        assert_eq!(failure(&result), expected);
    }
    reach.host.assert_well().await;
    let reach = Reach::start(&server.grant()).await;
    let arguments = json!({ "url": server.url("/hang"), "timeout_ms": 100 });
    let told = reach.refused("http", arguments).await;
    assert!(
        told.contains("Timeout"),
        "the guest's own comes first: {told}"
    );
    reach.host.assert_well().await;
}

#[tokio::test]
async fn tls_is_never_given_up() {
    let server = Server::start().await;
    let reach = Reach::start(&server.grant()).await;
    let url = server.url("/").replace("http:", "https:");
    reach.refused("http", get(url)).await;
    assert_eq!(server.seen().len(), 0);
}

#[tokio::test]
async fn an_injected_header_reaches_the_server_and_nobody_else() {
    let (server, other) = (Server::start().await, Server::start().await);
    let allow = format!(
        "{{ http: [ {{ host: 127.0.0.1, port: {}, private: true, headers: {{ Authorization: {{ secret: {{ env: TOKEN }} }}, X-Client: sandglass }} }}, \
         {{ host: 127.0.0.1, port: {}, private: true }} ] }}",
        server.port(),
        other.port()
    );
    let launch = Launch::manifest(&Reach::manifest(&allow))
        .env("TOKEN", "Bearer hidden-from-guests")
        .env("LOG_LEVEL", "TRACE");
    let reach = Reach::launch(launch).await;
    for headers in [
        json!({}),
        json!({ "authorization": "Bearer of-the-guest", "X-CLIENT": "forged" }),
    ] {
        let arguments = json!({ "url": server.url("/"), "headers": headers });
        let answer = reach.ok("http", arguments).await;
        assert_eq!(answer["status"], 200, "{answer}");
        assert!(!answer.to_string().contains("hidden-from-guests"));
        let seen = server.seen();
        let seen = &seen.last().expect("it was reached").headers;
        let of = |name| seen.get_all(name).iter().collect::<Vec<_>>();
        assert_eq!(of("authorization"), ["Bearer hidden-from-guests"]);
        assert_eq!(of("x-client"), ["sandglass"]);
    }
    reach.ok("http", get(other.url("/"))).await;
    assert!(!other.seen()[0].headers.contains_key("authorization"));
    for tool in ["environment", "config"] {
        let answer = reach.ok(tool, json!({})).await.to_string();
        assert!(!answer.contains("hidden-from-guests"), "{tool}: {answer}");
    }
    for told in [
        reach.host.log(),
        reach.host.get("/ready").await.body,
        reach.host.get("/mcp/tools").await.body,
    ] {
        assert!(!told.contains("hidden-from-guests"), "{told}");
    }
}

#[tokio::test]
async fn a_callers_credential_is_not_passed_on() {
    let server = Server::start().await;
    let reach = Reach::start(&server.grant()).await;
    let call = |path: &str, body: Value| {
        let request = reach
            .host
            .request(Method::POST, path)
            .header("authorization", "Bearer of-the-caller")
            .header("cookie", "session=of-the-caller")
            .header("x-api-key", "of-the-caller")
            .header("content-type", "application/json");
        send(request.body(body.to_string()))
    };
    let arguments = get(server.url("/"));
    let rest = call(
        "/mcp/tools",
        json!({ "tool": "http", "arguments": arguments }),
    )
    .await;
    assert_eq!(rest.json()["result"]["ok"]["status"], 200, "{rest:?}");
    let params = json!({ "name": "http", "arguments": arguments });
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    let mcp = call("/mcp", message).await;
    assert_eq!(mcp.result()["structuredContent"]["ok"]["status"], 200);
    assert_eq!(server.seen().len(), 2);
    for seen in server.seen() {
        assert!(!format!("{seen:?}").contains("of-the-caller"), "{seen:?}");
    }
    let environment = reach.ok("environment", json!({})).await.to_string();
    assert!(!environment.contains("of-the-caller"), "{environment}");
}

#[tokio::test]
async fn of_a_denied_request_the_operator_sees_host_and_port_and_no_more() {
    let server = Server::start().await;
    let yaml = Reach::manifest(&server.grant()) + "audit: { to: file, path: audit.jsonl }\n";
    let launch = Launch::manifest(&yaml).env("LOG_LEVEL", "TRACE");
    let reach = Reach::launch(launch).await;
    let arguments = json!({
        "url": "http://denied.example:8443/private-path?key=private-query",
        "headers": { "authorization": "private-header" }, "body": "private-body",
    });
    let told = reach.refused("http", arguments.clone()).await;
    assert!(told.contains(DENIED), "{told}");
    for way in Way::ALL {
        let result = way.call(&reach.host, "http", arguments.clone()).await;
        assert!(result.to_string().contains(DENIED), "{way:?}: {result}");
    }
    let log = reach.host.log();
    assert!(!log.contains("private-"), "{log}");
    let mut host = reach.host;
    host.terminate();
    assert_eq!(host.ended().await, Some(0));
    let audit = std::fs::read_to_string(host.folder().join("audit.jsonl")).expect("it was written");
    assert!(!audit.contains("private-"), "{audit}");
    let denials: Vec<Value> = audit
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON")["denials"].take())
        .collect();
    let denial = json!(["http GET denied.example:8443: no rule allows it"]);
    assert_eq!(denials, vec![denial; 4]);
}

#[tokio::test]
async fn informational_responses_without_end_are_no_response() {
    let early = "HTTP/1.1 103 Early Hints\r\nlink: </style.css>\r\n\r\n";
    let server = Fake::start(move |asked, _| {
        let times = if asked.line.contains("/few") {
            10
        } else {
            200_000
        };
        let mut answer = early.repeat(times).into_bytes();
        answer.extend(reply("200 OK", &[], "hello"));
        answer
    })
    .await;
    let port = server.authority().rsplit(':').next().expect("a port");
    let grant = format!("{{ http: [ {{ host: 127.0.0.1, port: {port}, private: true }} ] }}");
    let reach = Reach::start(&grant).await;
    let url = |path: &str| get(format!("http://{}{path}", server.authority()));
    assert_eq!(reach.ok("http", url("/few")).await["body"], "hello");
    let told = reach.refused("http", url("/many")).await;
    assert!(told.contains("HttpResponseHeaderSectionSize"), "{told}");
}
