//! What is added to a request and taken off it.

use super::*;

fn keyed(server: &Server, headers: BTreeMap<String, Placed<TextOrSecret>>) -> HttpRule {
    HttpRule {
        headers,
        ..rule("127.0.0.1", server.port())
    }
}

#[tokio::test]
async fn the_rules_headers_replace_the_guests_and_are_shown_nowhere() {
    let server = Server::answering(HELLO).await;
    let (_file, secret) = secret("Bearer s3cret\n");
    let headers = BTreeMap::from([("authorization".to_owned(), secret)]);
    let outbound = outbound(&[keyed(&server, headers)], &Limits::DEFAULT.http);
    let mut asked = request("GET", &server.url("/"));
    for value in ["Bearer guess", "Bearer another"] {
        asked
            .headers_mut()
            .append("authorization", value.parse().unwrap());
    }
    let (response, _work) = send(&outbound, asked).await.unwrap();
    let seen = server.seen().await;
    assert_eq!(seen.matches("authorization: ").count(), 1, "{seen}");
    assert!(seen.contains("authorization: Bearer s3cret\r\n"), "{seen}");
    assert!(!format!("{response:?}{:?}", outbound.http).contains("s3cret"));
    assert!(
        outbound.http.rules.iter().all(|rule| {
            let mut headers = http::HeaderMap::new();
            rule.inject(&mut headers);
            !format!("{headers:?}").contains("s3cret")
        }),
        "a header's value is marked as sensitive"
    );
}

#[tokio::test]
async fn a_secret_does_not_cross_the_internet_in_plain_text() {
    let (_file, secret) = secret("s3cret");
    let headers = BTreeMap::from([("authorization".to_owned(), secret)]);
    let rule = HttpRule {
        headers,
        ..public("a.example", 80)
    };
    let liar = Liar::new(&[&["8.8.8.8"]]);
    let outbound = with(liar.clone(), &[rule]);
    let error = get(&outbound, "http://a.example/").await.unwrap_err();
    assert!(matches!(error, Error::HttpRequestDenied), "{error}");
    assert_eq!(
        denials(&outbound),
        [
            "http GET a.example:80: the rule's secret headers would go over the internet in plain text; use https"
        ]
    );
    assert_eq!(liar.asked(), 0);
}

#[tokio::test]
async fn what_frames_or_routes_the_message_is_not_the_guests() {
    let server = Server::answering(HELLO).await;
    let mut asked = with_body("POST", &server.url("/"), Bytes::from_static(b"body"));
    for (name, value) in [
        ("host", "other.example"),
        ("transfer-encoding", "chunked"),
        ("connection", "upgrade, x-mine"),
        ("upgrade", "websocket"),
        ("expect", "100-continue"),
        ("te", "trailers"),
        ("trailer", "x-mine"),
        ("proxy-authorization", "Basic eA=="),
        ("x-mine", "1"),
    ] {
        asked.headers_mut().insert(name, value.parse().unwrap());
    }
    send(&to(&server), asked).await.unwrap();
    let seen = server.seen().await;
    let mut names: Vec<_> = seen
        .lines()
        .skip(1)
        .map_while(|line| line.split_once(": ").map(|(name, _)| name))
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["content-length", "host", "x-mine"], "{seen}");
    assert!(!seen.contains("other.example"), "{seen}");
}

#[tokio::test]
async fn headers_that_cannot_be_sent_are_found_when_the_source_is_configured() {
    let server = Server::answering(HELLO).await;
    for (name, value, part) in [
        ("authorization", "a\nb", "no line breaks"),
        ("a b", "x", "no header's name"),
    ] {
        let (_file, secret) = secret(value);
        let headers = BTreeMap::from([(name.to_owned(), secret)]);
        let error = Http::configure(&[keyed(&server, headers)])
            .unwrap_err()
            .to_string();
        let place = format!("allow.http[0].headers.{name}: ");
        assert!(error.starts_with(&place) && error.contains(part), "{error}");
        assert!(!error.contains("a\nb"), "{error}");
    }
}
