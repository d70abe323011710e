//! What a call may use.

use super::*;

fn limited(server: &Server, requests: u32, sent: &str, received: &str) -> Outbound {
    let limits = HttpLimits {
        requests: requests.to_string().parse().unwrap(),
        sent: sent.parse().unwrap(),
        received: received.parse().unwrap(),
    };
    outbound(&[rule("127.0.0.1", server.port())], &limits)
}

#[tokio::test]
async fn requests_of_a_call_are_counted() {
    let server = Server::answering(HELLO).await;
    let outbound = limited(&server, 2, "1MiB", "1MiB");
    for _ in 0..2 {
        assert!(get(&outbound, &server.url("/")).await.is_ok());
    }
    let error = get(&outbound, &server.url("/")).await.unwrap_err();
    assert!(matches!(error, Error::ConnectionLimitReached), "{error}");
    assert_eq!(
        denials(&outbound),
        ["http: limits.http.requests is used up"]
    );
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn what_is_received_is_counted_over_all_responses() {
    let server = Server::answering(HELLO).await;
    let outbound = limited(&server, 9, "1MiB", "9");
    assert_eq!(get(&outbound, &server.url("/")).await.unwrap(), "hello");
    let error = get(&outbound, &server.url("/")).await.unwrap_err();
    assert!(
        matches!(error, Error::HttpResponseBodySize(Some(9))),
        "{error}"
    );
    assert_eq!(
        denials(&outbound),
        ["http: limits.http.received is used up"]
    );
}

#[tokio::test]
async fn an_endless_response_ends() {
    let server = Server::endless("HTTP/1.1 200 OK\r\n\r\n", "x".repeat(1000)).await;
    let outbound = limited(&server, 9, "1MiB", "100KiB");
    let error = get(&outbound, &server.url("/")).await.unwrap_err();
    assert!(matches!(error, Error::HttpResponseBodySize(_)), "{error}");
}

#[tokio::test]
async fn what_is_sent_is_counted_over_all_requests() {
    let server = Server::answering(HELLO).await;
    let outbound = limited(&server, 9, "10", "1MiB");
    let post = || with_body("POST", &server.url("/"), Bytes::from_static(b"123456"));
    assert!(send(&outbound, post()).await.is_ok());
    let error = send(&outbound, post()).await.unwrap_err();
    assert!(
        matches!(error, Error::HttpRequestBodySize(Some(10))),
        "{error}"
    );
    assert_eq!(denials(&outbound), ["http: limits.http.sent is used up"]);
}

#[tokio::test]
async fn the_head_of_a_response_is_bounded() {
    let many = "x: 1\r\n".repeat(129);
    for head in [format!("x: {}\r\n", "y".repeat(70_000)), many] {
        let answer = format!("HTTP/1.1 200 OK\r\n{head}content-length: 0\r\n\r\n");
        let server = Server::answering(&answer).await;
        let error = get(&to(&server), &server.url("/")).await.unwrap_err();
        assert!(
            matches!(error, Error::HttpResponseHeaderSectionSize(_)),
            "{error}"
        );
    }
    let server = Server::endless("HTTP/1.1 200 OK\r\n", "x: y\r\n".repeat(100)).await;
    let error = get(&to(&server), &server.url("/")).await.unwrap_err();
    assert!(
        matches!(error, Error::HttpResponseHeaderSectionSize(_)),
        "{error}"
    );
}
