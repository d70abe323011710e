//! Whom a connection trusts.

use super::*;
use std::io::Write;

use tokio::io::AsyncWriteExt;

#[tokio::test]
async fn the_rules_certificates_are_trusted_for_the_name_as_given() {
    let (server, ca) = Server::tls("tls.example", HELLO).await;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(ca.as_bytes()).unwrap();
    let trusting = |host: &str| HttpRule {
        ca: Some(file.path().to_owned().into()),
        ..rule(host, server.port())
    };
    let liar = Liar::new(&[&["127.0.0.1"]]);
    let url = |host: &str| format!("https://{host}:{}/", server.port());

    let outbound = with(liar.clone(), &[trusting("tls.example")]);
    assert_eq!(get(&outbound, &url("TLS.example.")).await.unwrap(), "hello");

    let outbound = with(liar.clone(), &[trusting("other.example")]);
    let error = get(&outbound, &url("other.example")).await.unwrap_err();
    assert!(matches!(error, Error::TlsCertificateError), "{error}");

    let outbound = with(liar, &[rule("tls.example", server.port())]);
    let error = get(&outbound, &url("tls.example")).await.unwrap_err();
    assert!(matches!(error, Error::TlsCertificateError), "{error}");
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_is_an_error() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let outbound = outbound(&[rule("127.0.0.1", port)], &Limits::DEFAULT.http);
    let url = format!("https://127.0.0.1:{port}/");
    let (error, _connection) = tokio::join!(get(&outbound, &url), async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(HELLO.as_bytes()).await.unwrap();
        stream
    });
    let error = error.unwrap_err();
    assert!(matches!(error, Error::TlsProtocolError), "{error}");
}
