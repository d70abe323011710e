//! How long things last, and what is left of them.

use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use super::*;

fn after(limit: Duration) -> [RequestOptions; 3] {
    let none = RequestOptions::default();
    [
        RequestOptions {
            connect_timeout: Some(limit),
            ..none
        },
        RequestOptions {
            first_byte_timeout: Some(limit),
            ..none
        },
        RequestOptions {
            between_bytes_timeout: Some(limit),
            ..none
        },
    ]
}

const SHORT: Duration = Duration::from_millis(50);

#[tokio::test]
async fn a_name_that_is_never_answered_ends_with_the_connect_timeout() {
    let outbound = with(Arc::new(Mute), &[rule("a.example", 80)]);
    let [options, ..] = after(SHORT);
    let request = request("GET", "http://a.example/");
    let error = send_with(&outbound, request, Some(options))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::ConnectionTimeout), "{error}");
}

#[tokio::test]
async fn a_server_that_never_answers_ends_with_the_first_byte_timeout() {
    let server = Server::answering("").await;
    let [_, options, _] = after(SHORT);
    let request = request("GET", &server.url("/"));
    let error = send_with(&to(&server), request, Some(options))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::ConnectionReadTimeout), "{error}");
}

#[tokio::test]
async fn a_body_that_stops_ends_with_the_timeout_between_bytes() {
    let server = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello").await;
    let [.., options] = after(SHORT);
    let request = request("GET", &server.url("/"));
    let (response, _work) = send_with(&to(&server), request, Some(options))
        .await
        .unwrap();
    let error = response.into_body().collect().await.unwrap_err();
    assert!(matches!(error, Error::ConnectionReadTimeout), "{error}");
}

#[tokio::test]
async fn a_body_that_is_cut_is_no_whole_body() {
    let server = Server::closing("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello").await;
    let error = get(&to(&server), &server.url("/")).await.unwrap_err();
    assert!(matches!(error, Error::HttpResponseIncomplete), "{error}");
}

#[tokio::test]
async fn a_dropped_request_leaves_no_connection() {
    let server = Server::answering("").await;
    let outbound = to(&server);
    let mut waiting = Box::pin(send(&outbound, request("GET", &server.url("/"))));
    tokio::select! {
        _ = &mut waiting => panic!("it is never answered"),
        _ = server.seen() => {}
    }
    drop(waiting);
    server.closed().await;
}

#[tokio::test]
async fn a_dropped_response_leaves_no_connection() {
    let server = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello").await;
    let (mut response, work) = send(&to(&server), request("GET", &server.url("/")))
        .await
        .unwrap();
    assert!(response.body_mut().frame().await.unwrap().is_ok());
    drop((response, work));
    server.closed().await;
}

#[tokio::test]
async fn a_dropped_request_sends_nothing_more() {
    const LENGTH: usize = 64 << 20;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let limits = HttpLimits {
        sent: "1GiB".parse().unwrap(),
        ..Limits::DEFAULT.http
    };
    let outbound = outbound(&[rule("127.0.0.1", port)], &limits);
    let url = format!("http://127.0.0.1:{port}/");
    let mut waiting = Box::pin(send(
        &outbound,
        with_body("POST", &url, Bytes::from(vec![0; LENGTH])),
    ));
    let mut stream = tokio::select! {
        _ = &mut waiting => panic!("it is never answered"),
        accepted = async {
            let (stream, _) = listener.accept().await.unwrap();
            stream.readable().await.unwrap();
            stream
        } => accepted,
    };
    drop(waiting);
    let mut sent = 0;
    let mut buffer = vec![0; 1 << 20];
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        sent += read;
    }
    assert!(sent < LENGTH, "{sent}");
}
