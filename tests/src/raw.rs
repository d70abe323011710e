//! Requests that no proper HTTP client would send.

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::{Answer, Host, PATIENCE};

/// Sends bytes as they are and reads until the host closes; the request must ask for that (`Connection: close`).
pub async fn raw(host: &Host, request: &str) -> Answer {
    let exchange = async {
        let mut socket = TcpStream::connect(host.authority())
            .await
            .expect("the host listens");
        // The host need not read a body that it refuses, and may close before its end: what counts is its answer.
        let _ = socket.write_all(request.as_bytes()).await;
        let mut bytes = Vec::new();
        let _ = socket.read_to_end(&mut bytes).await;
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let text = tokio::time::timeout(PATIENCE, exchange)
        .await
        .expect("the host answers and closes");
    parse(&text).unwrap_or_else(|| {
        let start: String = request.chars().take(200).collect();
        panic!("no HTTP answer to {start:?}: {text:?}")
    })
}

/// A POST of JSON as bytes: for bodies that a proper client would give up on halfway.
pub async fn raw_post(host: &Host, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut request = format!(
        "POST {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n",
        host.authority()
    );
    request += &format!(
        "Content-Type: application/json\r\nContent-Length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    request += "\r\n";
    request += body;
    raw(host, &request).await
}

fn parse(text: &str) -> Option<Answer> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(':')?;
        headers.append(
            name.parse::<HeaderName>().ok()?,
            HeaderValue::from_str(value.trim()).ok()?,
        );
    }
    Some(Answer {
        status,
        headers,
        body: body.to_owned(),
    })
}
