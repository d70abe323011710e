//! Whom a request is for is said once, or it does not come in (RFC 9112, section 3.2; RFC 9110, section 7.2).

use sandglass_tests::{Host, Launch, raw, tool};

async fn ask(host: &Host, target: &str, hosts: &[String]) -> u16 {
    let headers: String = hosts
        .iter()
        .map(|host| format!("Host: {host}\r\n"))
        .collect();
    let request = format!("GET {target} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n");
    raw(host, &request).await.status
}

#[tokio::test]
async fn a_host_that_is_not_there_or_can_be_read_in_two_ways_does_not_come_in() {
    let yaml = format!("tools: [\"file:{}\"]", tool("echo"));
    let accepting_any = Launch::manifest(&yaml)
        .arg("--host")
        .arg("0.0.0.0")
        .arg("--allow-anonymous");
    let own = "127.0.0.1".to_owned();
    for launch in [Launch::manifest(&yaml), accepting_any] {
        let host = launch.start().await;
        let port = host
            .authority()
            .rsplit(':')
            .next()
            .expect("a port")
            .to_owned();
        let at = |name: &str| format!("{name}:{port}");
        let local = at("localhost");
        let absolute = |name: &str| format!("http://{name}/health");
        for (target, hosts) in [
            ("/health".to_owned(), vec![]),
            (absolute(&local), vec![]),
            ("/health".to_owned(), vec![at("a@localhost")]),
            ("/health".to_owned(), vec![local.clone(), local.clone()]),
            (
                "/health".to_owned(),
                vec![local.clone(), at("evil.example")],
            ),
            (absolute(&at("evil.example")), vec![local.clone()]),
            (absolute(&local), vec![at("evil.example")]),
            (absolute(&at("a@localhost")), vec![local.clone()]),
        ] {
            assert_eq!(ask(&host, &target, &hosts).await, 400, "{target} {hosts:?}");
        }
        for (target, hosts) in [
            ("/health".to_owned(), vec![local.clone()]),
            ("/health".to_owned(), vec![own.clone()]),
            (absolute(&local), vec![at("LOCALHOST")]),
        ] {
            assert_eq!(ask(&host, &target, &hosts).await, 200, "{target} {hosts:?}");
        }
    }
}

#[tokio::test]
async fn an_absolute_target_is_guarded_as_a_host_header_is() {
    let host = Host::start(&format!("tools: [\"file:{}\"]", tool("echo"))).await;
    let evil = "evil.example".to_owned();
    assert_eq!(ask(&host, "http://evil.example/health", &[evil]).await, 403);
}
