//! Outbound HTTP goes nowhere that the manifest does not say, whatever a guest makes of names, addresses and redirects.

use sandglass_tests::{Reach, Server};
use serde_json::{Value, json};

/// What a guest is told of a request that no rule allows.
const DENIED: &str = "HttpRequestDenied";
/// What a guest is told of an address that no rule allows.
const PROHIBITED: &str = "DestinationIpProhibited";

fn get(url: impl Into<String>) -> Value {
    json!({ "url": url.into() })
}

#[tokio::test]
async fn an_authority_has_no_second_reading() {
    let (server, other) = (Server::start().await, Server::start().await);
    let reach = Reach::start(&server.grant()).await;
    let (granted, secret) = (server.port(), other.port());
    for authority in [
        format!("127.0.0.1:{granted}@127.0.0.1:{secret}"),
        format!("user@127.0.0.1:{secret}"),
        format!("127.0.0.1:{secret}#@127.0.0.1:{granted}"),
        format!("127.0.0.1:{secret}\\@127.0.0.1:{granted}"),
        format!("127.0.0.1 :{secret}"),
        format!("127.0.0.1:{secret}\r\nhost: 127.0.0.1:{granted}"),
        format!("127.0.0.1.:{secret}"),
        "127.0.0.1:".to_owned(),
        "127.0.0.1:99999".to_owned(),
        String::new(),
    ] {
        reach
            .refused("http", get(format!("http://{authority}/")))
            .await;
    }
    assert_eq!(other.connections(), 0);
    for header in ["host", "connection", "transfer-encoding", "upgrade"] {
        let arguments =
            json!({ "url": server.url("/"), "headers": { header: format!("127.0.0.1:{secret}") } });
        let told = reach.refused("http", arguments).await;
        assert!(told.contains("Forbidden"), "{header}: {told}");
    }
    for value in ["a\r\nx-smuggled: 1", "a\nb", "a\0b"] {
        let arguments = json!({ "url": server.url("/"), "headers": { "x-mine": value } });
        reach.refused("http", arguments).await;
    }
    assert_eq!(server.seen().len(), 0);
}

/// A rule for this host and port that does not say `private`.
fn public(host: &str, port: u16) -> String {
    format!("{{ host: '{host}', port: {port} }}")
}

#[tokio::test]
async fn loopback_is_refused_without_private_under_every_name() {
    let server = Server::start().await;
    let six = Server::on("::1").await;
    let names = [
        "127.0.0.1",
        "127.0.0.2",
        "localhost",
        "LOCALHOST",
        "localhost.",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
    ];
    let rules: Vec<String> = names
        .iter()
        .flat_map(|name| [public(name, server.port()), public(name, six.port())])
        .collect();
    let reach = Reach::start(&format!("{{ http: [ {} ] }}", rules.join(", "))).await;
    for name in names {
        for server in [&server, &six] {
            let told = reach.refused("http", get(server.url_as(name, "/"))).await;
            assert!(told.contains(PROHIBITED), "{name}: {told}");
        }
    }
    assert_eq!((server.connections(), six.connections()), (0, 0));
}

/// `getaddrinfo` reads all of these as 127.0.0.1.
const SPELLINGS: [&str; 6] = [
    "0x7f.1",
    "0x7f000001",
    "2130706433",
    "127.1",
    "0177.0.0.1",
    "127.0.1",
];

#[tokio::test]
async fn an_address_in_disguise_is_not_the_granted_one() {
    let server = Server::start().await;
    let reach = Reach::start(&server.grant()).await;
    for name in SPELLINGS {
        let told = reach.refused("http", get(server.url_as(name, "/"))).await;
        assert!(told.contains(DENIED), "{name}: {told}");
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn addresses_inside_a_network_are_refused_without_private() {
    let names = [
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "169.254.169.254",
        "224.0.0.1",
        "255.255.255.255",
        "[fd00::1]",
        "[fd00:ec2::254]",
        "[fe80::1]",
        "[ff02::1]",
        "[::ffff:10.0.0.1]",
        "[::ffff:169.254.169.254]",
        "[64:ff9b::a9fe:a9fe]",
        "[2002:7f00:1::]",
    ];
    // If the guard were gone, nobody would listen on this port, and nobody be asked anything.
    let rules: Vec<String> = names.iter().map(|name| public(name, 1)).collect();
    let reach = Reach::start(&format!("{{ http: [ {} ] }}", rules.join(", "))).await;
    for name in names {
        let told = reach
            .refused("http", get(format!("http://{name}:1/")))
            .await;
        assert!(told.contains(PROHIBITED), "{name}: {told}");
    }
}

#[tokio::test]
async fn private_grants_loopback_by_the_name_of_the_rule() {
    let server = Server::start().await;
    let six = Server::on("::1").await;
    let reach = Reach::start(&format!(
        "{{ http: [ {{ host: localhost, port: {0}, private: true }}, {{ host: '[::1]', port: {1}, private: true }} ] }}",
        server.port(),
        six.port()
    ))
    .await;
    for url in [
        server.url_as("localhost", "/"),
        server.url_as("LocalHost.", "/"),
        six.url("/"),
    ] {
        assert_eq!(reach.ok("http", get(&url)).await["status"], 200, "{url}");
    }
    let told = reach.refused("http", get(server.url("/"))).await;
    assert!(told.contains(DENIED), "{told}");
}

#[tokio::test]
async fn a_redirect_is_the_guests_next_request() {
    let (server, secret) = (Server::start().await, Server::start().await);
    let reach = Reach::start(&server.grant()).await;
    let to = secret.url("/secret");
    let answer = reach
        .ok("http", get(server.url(&format!("/redirect?{to}"))))
        .await;
    assert_eq!(answer["status"], 302, "{answer}");
    let told = reach.refused("http", get(&to)).await;
    assert!(told.contains(DENIED), "{told}");
    assert_eq!(secret.connections(), 0);
}
