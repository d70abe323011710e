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

/// An informational response.
const EARLY_HINTS: &str = "HTTP/1.1 103 Early Hints\r\nlink: </style.css>\r\n\r\n";

#[tokio::test]
async fn informational_responses_pass_and_end() {
    let some = format!("{}{HELLO}", EARLY_HINTS.repeat(100));
    let server = Server::answering(&some).await;
    let body = get(&to(&server), &server.url("/")).await;
    assert_eq!(body.unwrap(), "hello");
    for informational in [
        EARLY_HINTS.to_owned(),
        "HTTP/1.1 100 Continue\r\n\r\n".to_owned(),
        format!("HTTP/1.1 199 x\r\nx: {}\r\n\r\n", "y".repeat(8_000)),
    ] {
        let server = Server::endless("", informational.repeat(100)).await;
        let error = get(&to(&server), &server.url("/")).await.unwrap_err();
        assert!(
            matches!(error, Error::HttpResponseHeaderSectionSize(_)),
            "{error}"
        );
        server.closed().await;
    }
}

#[tokio::test]
async fn a_body_is_larger_than_what_may_come_before_it() {
    let body = "x".repeat(1 << 20);
    let length = body.len();
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}");
    let server = Server::answering(&answer).await;
    let read = get(&to(&server), &server.url("/")).await.unwrap();
    assert_eq!(read.len(), length);
}
