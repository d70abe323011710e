//! deploy/aks/check.py: the check from outside, with a token of an issuer, of `az` and of a person, and without one.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::routing::{get, post};
use axum::{Json, Router};
use sandglass_tests::{
    AuthorizationServer, Client, Finished, Folder, Host, manifest, root, token, tool,
};
use serde_json::json;
use tokio::net::TcpListener;

/// The check, of this host.
fn check(host: &Host) -> Client {
    Client::program("SANDGLASS_PYTHON_LATEST")
        .arg(root().join("deploy/aks/check.py"))
        .args(&["--url", &format!("{}/mcp", host.url())])
}

/// Panics unless all of these steps went well, and no others were there.
fn assert_steps(finished: &Finished, steps: &[&str]) {
    let printed = finished
        .stdout
        .lines()
        .filter(|line| !line.starts_with("      "));
    let went: Vec<&str> = printed
        .map(|line| line.split(": ").next().expect("a line"))
        .collect();
    let expected: Vec<String> = steps.iter().map(|step| format!("ok    {step}")).collect();
    assert_eq!(went, expected, "{finished:?}");
    assert_eq!(finished.code, Some(0), "{finished:?}");
}

const WITH_A_TOKEN: [&str; 7] = [
    "token",
    "no token",
    "wrong token",
    "initialize",
    "tools",
    "call",
    "end",
];

const CALL: [&str; 4] = ["--tool", "add", "--arguments", r#"{"a": 2, "b": 3}"#];

/// A folder with a program of this name that prints a text.
fn program(folder: &Folder, name: &str, prints: &str) {
    let file = folder.write(name, format!("#!/bin/sh\ncat <<'END'\n{prints}\nEND\n"));
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(file, mode).expect("the folder is ours");
}

fn path_with(folder: &Folder) -> String {
    let path = std::env::var("PATH").unwrap_or_default();
    format!("{}:{path}", folder.path().display())
}

/// An issuer where a person signs in elsewhere (RFC 8628), and has done so when it is asked a second time.
async fn device_issuer(token: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let issuer = format!("http://{}", listener.local_addr().expect("it is bound"));
    let metadata = json!({
        "device_authorization_endpoint": format!("{issuer}/device"),
        "token_endpoint": format!("{issuer}/token"),
    });
    let device = json!({
        "device_code": "d",
        "user_code": "ABCD",
        "verification_uri": "https://login.example/device",
        "interval": 0,
    });
    let asked = Arc::new(AtomicUsize::new(0));
    let answer = move || {
        let answer = match asked.fetch_add(1, Ordering::Relaxed) {
            0 => json!({ "error": "authorization_pending" }),
            _ => json!({ "access_token": token }),
        };
        async move { Json(answer) }
    };
    let metadata = get(async move || Json(metadata));
    let router = Router::new()
        .route("/.well-known/openid-configuration", metadata)
        .route("/device", post(async move || Json(device)))
        .route("/token", post(answer));
    // It ends with the test's runtime.
    tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves") });
    issuer
}

#[tokio::test]
async fn the_check_passes_with_a_token_of_the_issuer() {
    let server = AuthorizationServer::start("tools:*").await;
    let host = server.host().await;
    let token = token(&host, "tools:*").await;
    let given = check(&host)
        .arg("--skip-infra")
        .args(&CALL)
        .env("TOKEN", &token);
    let finished = given.run().await;
    assert_steps(&finished, &WITH_A_TOKEN);
    assert!(finished.stdout.contains("ok    call: 5"), "{finished:?}");
    assert!(!finished.stdout.contains(&token), "{finished:?}");

    let programs = Folder::default();
    program(&programs, "az", &token);
    let by_az = check(&host)
        .args(&["--skip-infra", "--use-az-token", "--audience", "api://x"])
        .args(&CALL);
    let finished = by_az.env("PATH", path_with(&programs)).run().await;
    assert_steps(&finished, &WITH_A_TOKEN);

    let issuer = device_issuer(token).await;
    let signed_in = check(&host)
        .args(&[
            "--skip-infra",
            "--generate-token",
            "--audience",
            "api://x",
            "--client-id",
            "c",
            "--issuer",
            &issuer,
        ])
        .args(&CALL);
    let finished = signed_in.run().await;
    assert_steps(&finished, &WITH_A_TOKEN);
    assert!(
        finished
            .stdout
            .contains("open https://login.example/device and enter ABCD")
    );
}

#[tokio::test]
async fn the_check_looks_at_pods_and_the_load_balancer() {
    let host = Host::start(&manifest(&json!([format!("file:{}", tool("calculator"))]))).await;
    let programs = Folder::default();
    let found = |ready: &str, address: &str| {
        // One answer to both questions: a list of pods, and a service.
        program(&programs, "kubectl", &json!({
            "items": [{
                "metadata": { "name": "sandglass-0" },
                "status": { "conditions": [{ "type": "Ready", "status": ready, "message": "containers not ready" }] },
            }],
            "status": { "loadBalancer": { "ingress": [{ "ip": address }] } },
        }).to_string());
    };
    let run = || {
        let check = check(&host).args(&["--anonymous", "--static-ip", "192.0.2.1"]);
        check.env("PATH", path_with(&programs)).run()
    };
    found("True", "192.0.2.1");
    assert_steps(
        &run().await,
        &[
            "pods",
            "load balancer",
            "token",
            "initialize",
            "tools",
            "end",
        ],
    );
    found("False", "192.0.2.9");
    let finished = run().await;
    assert_eq!(finished.code, Some(1), "{finished:?}");
    for part in [
        "FAIL  pods: sandglass-0 is not ready (containers not ready): kubectl logs",
        "FAIL  load balancer: the address is 192.0.2.9, and not 192.0.2.1",
        "ok    initialize",
    ] {
        assert!(finished.stdout.contains(part), "{finished:?}");
    }
}

#[tokio::test]
async fn the_check_says_what_is_wrong_and_what_to_do() {
    let open = Host::start(&manifest(&json!([format!("file:{}", tool("calculator"))]))).await;
    let finished = check(&open)
        .arg("--skip-infra")
        .env("TOKEN", "any")
        .run()
        .await;
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.stdout.contains("FAIL  no token: a request without a token is answered with 200, not 401: anybody may call"), "{finished:?}");

    let server = AuthorizationServer::start("tools:*").await;
    let host = server.host().await;
    let finished = check(&host)
        .arg("--skip-infra")
        .env("TOKEN", "wrong")
        .run()
        .await;
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(
        finished.stdout.contains("ok    wrong token"),
        "{finished:?}"
    );
    assert!(
        finished
            .stdout
            .contains("FAIL  initialize: initialize: 401: check the audience and the scopes"),
        "{finished:?}"
    );

    let finished = check(&host)
        .arg("--skip-infra")
        .env("TOKEN", "")
        .run()
        .await;
    assert!(
        finished
            .stdout
            .starts_with("FAIL  token: no token: give --use-az-token"),
        "{finished:?}"
    );
    let finished = check(&host).arg("--use-az-token").run().await;
    assert_eq!(finished.code, Some(2), "{finished:?}");
    assert!(
        finished.stderr.contains("--audience must be given"),
        "{finished:?}"
    );
}
