//! Where a request is connected to.

use super::*;

#[tokio::test]
async fn a_name_is_looked_up_once_and_the_connection_goes_there() {
    let server = Server::answering(HELLO).await;
    let liar = Liar::new(&[&["127.0.0.1"], &["169.254.169.254"]]);
    let rules = [rule("rebind.example", server.port())];
    let outbound = with(liar.clone(), &rules);
    let url = format!("http://Rebind.Example.:{}/", server.port());
    assert_eq!(get(&outbound, &url).await.unwrap(), "hello");
    assert_eq!(liar.asked(), 1);
    let host = format!("host: rebind.example:{}\r\n", server.port());
    assert!(server.seen().await.contains(&host));
}

#[tokio::test]
async fn a_name_that_turns_private_is_refused_at_that_request() {
    let server = Server::answering(HELLO).await;
    let port = server.port();
    let liar = Liar::new(&[&["8.8.8.8"], &["127.0.0.1"]]);
    let outbound = with(liar, &[public("rebind.example", port)]);
    let url = format!("http://rebind.example:{port}/");
    let (target, rule) = (
        Target::of(&url.parse().unwrap()).unwrap(),
        &outbound.http.rules[0],
    );
    assert!(outbound.addresses(&target, rule).await.is_ok());
    let error = get(&outbound, &url).await.unwrap_err();
    assert!(matches!(error, Error::DestinationIpProhibited), "{error}");
    assert_eq!(server.connections(), 0);
    let told = format!(
        "http rebind.example:{port}: its address is private, and the rule does not say `private: true`"
    );
    assert_eq!(denials(&outbound), [told]);
}

#[tokio::test]
async fn of_mixed_answers_only_the_allowed_addresses_are_used() {
    let liar = Liar::new(&[&[
        "10.0.0.1",
        "1.1.1.1",
        "::1",
        "224.0.0.1",
        "::ffff:127.0.0.1",
    ]]);
    let target = Target::of(&"http://a.example/".parse().unwrap()).unwrap();
    for (rule, allowed) in [
        (public("a.example", 80), &["1.1.1.1"][..]),
        (
            rule("a.example", 80),
            &["10.0.0.1", "1.1.1.1", "::1", "::ffff:127.0.0.1"],
        ),
    ] {
        let outbound = with(liar.clone(), &[rule]);
        let found = outbound
            .addresses(&target, &outbound.http.rules[0])
            .await
            .unwrap();
        let allowed: Vec<IpAddr> = allowed.iter().map(|text| text.parse().unwrap()).collect();
        assert_eq!(found, allowed);
    }
}

#[tokio::test]
async fn spellings_that_the_resolver_takes_for_addresses_are_checked() {
    let server = Server::answering(HELLO).await;
    for name in [
        "0x7f.1",
        "0x7f000001",
        "2130706433",
        "127.1",
        "0177.0.0.1",
        "localhost",
    ] {
        let outbound = outbound(&[public(name, server.port())], &Limits::DEFAULT.http);
        let url = format!("http://{name}:{}/", server.port());
        let error = get(&outbound, &url).await.unwrap_err();
        assert!(
            matches!(error, Error::DestinationIpProhibited),
            "{name}: {error}"
        );
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn literal_addresses_are_checked() {
    for host in [
        "127.0.0.1",
        "169.254.169.254",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[0:0:0:0:0:ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "0.0.0.0",
    ] {
        let target = Target::of(&format!("http://{host}/").parse().unwrap()).unwrap();
        let outbound = outbound(&[public(&target.host, 80)], &Limits::DEFAULT.http);
        let error = get(&outbound, &format!("http://{host}/"))
            .await
            .unwrap_err();
        assert!(
            matches!(error, Error::DestinationIpProhibited),
            "{host}: {error}"
        );
    }
}

#[tokio::test]
async fn private_does_not_mean_unspecified_or_multicast() {
    for host in ["0.0.0.0", "224.0.0.1", "255.255.255.255", "::", "ff02::1"] {
        let outbound = outbound(&[rule(host, 80)], &Limits::DEFAULT.http);
        let shown = if host.contains(':') {
            format!("[{host}]")
        } else {
            host.to_owned()
        };
        let error = get(&outbound, &format!("http://{shown}/"))
            .await
            .unwrap_err();
        assert!(
            matches!(error, Error::DestinationIpProhibited),
            "{host}: {error}"
        );
    }
}

#[tokio::test]
async fn the_next_address_is_tried_where_one_refuses() {
    let server = Server::answering(HELLO).await;
    // The server listens on 127.0.0.1 alone.
    let liar = Liar::new(&[&["127.0.0.9", "127.0.0.1"]]);
    let outbound = with(liar, &[rule("a.example", server.port())]);
    let url = format!("http://a.example:{}/", server.port());
    assert_eq!(get(&outbound, &url).await.unwrap(), "hello");
}
