//! Which requests pass, and how they are sent.

use super::*;

#[tokio::test]
async fn a_request_that_a_rule_covers_is_sent_in_origin_form() {
    let server = Server::answering(HELLO).await;
    let outbound = to(&server);
    let body = get(&outbound, &server.url("/a/b?c=d")).await.unwrap();
    assert_eq!(body, "hello");
    let seen = server.seen().await;
    assert!(seen.starts_with("GET /a/b?c=d HTTP/1.1\r\n"), "{seen}");
    let host = format!("host: 127.0.0.1:{}\r\n", server.port());
    assert!(seen.contains(&host), "{seen}");
    let reached: Vec<_> = outbound.trail.hosts().collect();
    assert_eq!(reached, [format!("127.0.0.1:{}", server.port())]);
    assert_eq!(denials(&outbound), Vec::<String>::new());
}

#[tokio::test]
async fn what_no_rule_covers_is_denied_before_any_connection() {
    let server = Server::answering(HELLO).await;
    let port = server.port();
    let narrow = HttpRule {
        methods: vec!["GET".to_owned()],
        path: "/v1".parse().unwrap(),
        ..rule("127.0.0.1", port)
    };
    let outbound = outbound(&[narrow], &Limits::DEFAULT.http);
    for (method, url) in [
        ("POST", format!("http://127.0.0.1:{port}/v1")),
        ("GET", format!("http://127.0.0.1:{port}/v10?token=s3cret")),
        ("GET", format!("http://127.0.0.1:{port}/v1/../x")),
        ("GET", "http://127.0.0.1/v1".to_owned()),
        ("GET", format!("http://127.0.0.2:{port}/v1")),
        ("GET", format!("http://2130706433:{port}/v1")),
        ("GET", format!("http://localhost:{port}/v1")),
    ] {
        let error = send(&outbound, request(method, &url)).await.unwrap_err();
        assert!(matches!(error, Error::HttpRequestDenied), "{url}: {error}");
    }
    let denials = denials(&outbound);
    let told = format!("http POST 127.0.0.1:{port}: no rule allows it");
    assert!(denials.contains(&told), "{denials:?}");
    assert!(!denials.concat().contains("s3cret"), "{denials:?}");
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn without_rules_nothing_passes() {
    let server = Server::answering(HELLO).await;
    let outbound = Http::default().prepare(
        &Limits::DEFAULT.http,
        HostMemory::new(1 << 20),
        GuestFiles::new().share(),
        Trail::default(),
    );
    let error = get(&outbound, &server.url("/")).await.unwrap_err();
    assert!(matches!(error, Error::HttpRequestDenied));
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn connect_and_trace_never_pass() {
    let server = Server::answering(HELLO).await;
    let outbound = to(&server);
    for method in ["CONNECT", "TRACE", "TRACK", "trace"] {
        let request = request(method, &server.url("/"));
        let error = send(&outbound, request).await.unwrap_err();
        assert!(matches!(error, Error::HttpRequestDenied), "{method}");
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_redirect_is_handed_to_the_guest() {
    let server = Server::answering(
        "HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n",
    )
    .await;
    let (response, _work) = send(&to(&server), request("GET", &server.url("/")))
        .await
        .unwrap();
    assert_eq!(response.status(), 302);
    assert_eq!(response.headers()["location"], "http://169.254.169.254/");
}
