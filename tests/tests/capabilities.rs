//! A grant gives what it says and nothing else: environment and configuration. Sockets and name lookup are never granted.

use sandglass_tests::mcp::{Way, failure, text};
use sandglass_tests::{Folder, Host, Launch, Reach, Server, guest};
use serde_json::{Value, json};

#[tokio::test]
async fn environment_and_configuration_hold_the_granted_names_only() {
    let launch = Launch::manifest(&Reach::manifest(
        "{ env: { UNITS: metric, EMPTY: '', KEY: { secret: { env: TOKEN } }, FILE: { secret: { file: ./secret } } } }",
    ));
    launch.write("secret", "from the file\n");
    let launch = launch
        .env("TOKEN", "from-the-environment")
        .env("SECRET_OF_THE_HOST", "do-not-tell")
        .env("LOG_LEVEL", "TRACE");
    let reach = Reach::launch(launch).await;
    let granted = json!({
        "EMPTY": "", "FILE": "from the file", "KEY": "from-the-environment", "UNITS": "metric",
    });
    let environment = reach.ok("environment", json!({})).await;
    assert_eq!(environment["variables"], granted);
    assert_eq!(reach.ok("config", json!({})).await, granted);
    assert_eq!(
        reach.ok("config", json!({ "key": "UNITS" })).await,
        "metric"
    );
    for name in ["SECRET_OF_THE_HOST", "TOKEN", "HOME", "PATH", "units", ""] {
        let value = reach.ok("config", json!({ "key": name })).await;
        assert_eq!(value, Value::Null, "{name}");
    }
    for way in Way::ALL {
        let result = way.call(&reach.host, "environment", json!({})).await;
        let told: Value = serde_json::from_str(text(&result)).expect("the text is the value");
        assert_eq!(told["ok"]["variables"], granted, "{way:?}");
    }
    for told in [reach.host.log(), reach.host.get("/ready").await.body] {
        for secret in ["do-not-tell", "from-the-environment", "from the file"] {
            assert!(!told.contains(secret), "{secret} in {told}");
        }
    }
}

#[tokio::test]
async fn the_log_tells_what_is_granted_without_values() {
    let folder = Folder::default();
    let allow = format!(
        "{{ env: {{ UNITS: not-shown, KEY: {{ secret: {{ env: TOKEN }} }} }}, http: [ api.example.com ], files: [ {{ host: '{}', guest: /data }} ] }}",
        folder.path().display()
    );
    let launch = Launch::manifest(&Reach::manifest(&allow)).env("TOKEN", "not-shown");
    let reach = Reach::launch(launch).await;
    let granted = format!(
        "granted: env KEY (secret), UNITS; http any method api.example.com:443/; files {} -> /data (read)",
        folder.path().display()
    );
    let log = reach.host.log();
    assert!(log.contains(&granted), "{log}");
    assert!(!log.contains("not-shown"), "{log}");
}

#[tokio::test]
async fn variables_are_those_of_their_source_alone() {
    let yaml = format!(
        "version: 1\ntools:\n  - {{ source: 'file:{0}', prefix: a, allow: {{ env: {{ NAME: one }} }} }}\n  - {{ source: 'file:{0}', prefix: b, allow: {{ env: {{ NAME: two }} }} }}\n  - {{ source: 'file:{0}', prefix: c }}\n",
        guest("reach")
    );
    let host = Host::start(&yaml).await;
    for (tool, variables) in [
        ("a_environment", json!({ "NAME": "one" })),
        ("b_environment", json!({ "NAME": "two" })),
        ("c_environment", json!({})),
    ] {
        let answer = host.call(tool, json!({})).await.json();
        assert_eq!(answer["result"]["ok"]["variables"], variables, "{tool}");
    }
}

#[tokio::test]
async fn a_source_whose_secret_is_missing_is_left_out_and_says_which() {
    let allow = "{ env: { KEY: { secret: { env: NO_SUCH_VARIABLE } } } }";
    let yaml = Reach::manifest(allow)
        + &format!(
            "  - source: file:{}\n    allow: {{ env: {{ KEY: {{ secret: {{ file: /no/such/secret }} }} }} }}\n  - file:{}\n",
            guest("hostile"),
            guest("plain")
        );
    let host = Host::start(&yaml).await;
    let ready = host.get("/ready").await.json();
    assert_eq!(ready["status"], "degraded");
    let failures = ready["failures"].to_string();
    for named in ["allow.env.KEY", "NO_SUCH_VARIABLE", "/no/such/secret"] {
        assert!(failures.contains(named), "{named}: {failures}");
    }
    assert_eq!(host.call("environment", json!({})).await.status, 404);
    let answer = host.call("echo", json!({ "text": "hi" })).await;
    assert_eq!(answer.status, 200, "the others are served: {answer:?}");
}

#[tokio::test]
async fn sockets_and_name_lookup_are_refused_whatever_is_granted() {
    let server = Server::start().await;
    let folder = Folder::default();
    let reach = Reach::start(&format!(
        "{{ http: [ {{ host: localhost, port: {0}, private: true }}, {{ host: 127.0.0.1, port: {0}, private: true }} ], files: [ {{ host: '{1}', guest: /data }} ] }}",
        server.port(),
        folder.path().display()
    ))
    .await;
    let address = json!({ "address": format!("127.0.0.1:{}", server.port()) });
    for tool in ["connect", "send_datagram"] {
        reach.refused(tool, address.clone()).await;
    }
    for address in ["127.0.0.1:0", "[::1]:0", "0.0.0.0:0"] {
        reach.refused("listen", json!({ "address": address })).await;
    }
    for name in ["localhost", "127.0.0.1", "secret.attacker.example"] {
        reach.refused("resolve", json!({ "name": name })).await;
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn first_party_tools_say_which_grant_they_miss() {
    let host = Launch::serve().start().await;
    for (tool, arguments, grant) in [
        ("get_knowledge_base", json!({}), "allow: { files: ["),
        (
            "list_snippets",
            json!({}),
            "allow: { keyvalue: [snippets] }",
        ),
        (
            "get_snippet",
            json!({ "name": "a" }),
            "allow: { keyvalue: [snippets] }",
        ),
        (
            "delete_snippet",
            json!({ "name": "a" }),
            "allow: { keyvalue: [snippets] }",
        ),
        (
            "save_snippet",
            json!({ "name": "a", "text": "b" }),
            "allow: { keyvalue: [snippets] }",
        ),
    ] {
        let answer = host.call(tool, arguments.clone()).await;
        assert_eq!(answer.status, 500, "{tool}: {answer:?}");
        assert!(answer.error().contains(grant), "{tool}: {answer:?}");
        let result = Way::Bare.call(&host, tool, arguments).await;
        assert!(failure(&result).contains(grant), "{tool}: {result}");
    }
}
