//! HTTPS by the host itself, with a certificate that is renewed under it.

use std::path::Path;

use rcgen::CertifiedKey;
use reqwest::Certificate;
use sandglass_tests::{Launch, eventually, tool};
use serde_json::{Value, json};

/// Writes a new certificate for this machine and its key, as renewal does: beside the old ones, then over them.
fn renew(folder: &Path) -> Certificate {
    let CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    for (name, content) in [
        ("tls.key", signing_key.serialize_pem()),
        ("tls.crt", cert.pem()),
    ] {
        let new = folder.join(format!("{name}.new"));
        std::fs::write(&new, content).expect("the folder is ours");
        std::fs::rename(&new, folder.join(name)).expect("the folder is ours");
    }
    Certificate::from_pem(cert.pem().as_bytes()).expect("it was just made")
}

/// A call by a client that trusts this certificate alone, over a connection of its own.
async fn call(url: &str, trusted: &Certificate) -> reqwest::Result<Value> {
    let client = reqwest::Client::builder()
        .tls_certs_only([trusted.clone()])
        .build()?;
    let body = json!({ "tool": "add", "arguments": { "a": 1, "b": 2 } });
    let request = client.post(format!("{url}/mcp/tools")).json(&body);
    request.send().await?.json().await
}

#[tokio::test]
async fn calls_are_encrypted_and_a_renewed_certificate_counts_without_a_restart() {
    let launch = Launch::manifest(&format!("tools: [\"file:{}\"]", tool("calculator")));
    let folder = launch.folder().to_owned();
    let first = renew(&folder);
    let launch = launch
        .arg("--tls-cert")
        .arg(folder.join("tls.crt"))
        .arg("--tls-key")
        .arg(folder.join("tls.key"));
    let host = launch.start().await;
    let url = host.url();
    assert!(url.starts_with("https://"), "{url}");
    assert_eq!(
        call(url, &first).await.expect("HTTPS"),
        json!({ "result": 3 })
    );
    let plain = reqwest::get(url.replace("https", "http")).await;
    assert!(plain.is_err(), "nothing is answered without TLS: {plain:?}");

    let second = renew(&folder);
    let answer = eventually("the new certificate is served", async || {
        call(url, &second).await.ok()
    });
    assert_eq!(answer.await, json!({ "result": 3 }));
    assert!(call(url, &first).await.is_err(), "the old one is not");

    std::fs::write(folder.join("tls.crt"), "no certificate").expect("the folder is ours");
    eventually("the broken certificate is in the log", async || {
        host.log().contains("the old one still is").then_some(())
    })
    .await;
    assert_eq!(
        call(url, &second).await.expect("HTTPS"),
        json!({ "result": 3 })
    );
}
