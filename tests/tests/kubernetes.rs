//! Components from ConfigMaps and Secrets: through the API, in one part or several, and whatever goes wrong is one line
//! with the mend.

use std::path::Path;

use sandglass_manifest::Digest;
use sandglass_tests::{Folder, KubernetesApi, Launch, Token, eventually, guest, refused, tool};
use serde_json::json;

fn echo() -> Vec<u8> {
    std::fs::read(tool("echo")).expect("it is built")
}

/// A command with a home of its own, as somebody whom the cluster knows.
fn command(home: &Folder, arguments: &[&str], kubeconfig: &Path) -> Launch {
    Launch::command(arguments)
        .env("HOME", home.path())
        .env("XDG_CACHE_HOME", home.path())
        .env("KUBECONFIG", kubeconfig)
}

#[tokio::test]
async fn a_config_map_and_a_secret_are_inspected_called_and_served() {
    let api = KubernetesApi::start().await;
    api.put_config_map("tools", "echo", &[("echo.wasm", &echo())]);
    api.put_secret("tools", "echo", &[("echo.wasm", &echo())]);
    let home = Folder::default();
    let kubeconfig = api.kubeconfig(Token::Reader);
    for reference in [
        "configmap://tools/echo/echo.wasm",
        "secret://tools/echo/echo.wasm",
    ] {
        let finished = command(&home, &["inspect", reference], &kubeconfig)
            .run()
            .await;
        assert_eq!(finished.code, Some(0), "{finished:?}");
        assert!(finished.stdout.contains(reference), "{finished:?}");
        assert!(finished.stdout.contains(&Digest::of(&echo()).to_string()));
        assert_eq!(finished.stderr, "");
        let arguments = ["call", reference, "echo", r#"{"text":"hi"}"#];
        let finished = command(&home, &arguments, &kubeconfig).run().await;
        assert!(finished.stdout.starts_with("Echo: hi\n"), "{finished:?}");
        let manifest = json!({ "tools": [{ "source": reference }] }).to_string();
        let launch = Launch::manifest(&manifest).env("KUBECONFIG", &kubeconfig);
        assert_eq!(launch.start().await.tools().await, ["echo"]);
    }
}

#[tokio::test]
async fn a_component_that_is_larger_than_an_object_is_joined_from_several() {
    // A section that no tool needs, of bytes that do not compress.
    let mut component = echo();
    let noise: Vec<u8> = (0..3_u32 << 19)
        .map(|index| (index.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    component.push(0);
    component.extend(leb128(noise.len() + 2));
    component.extend([1, b'x']);
    component.extend(&noise);
    let parts: Vec<&[u8]> = component.chunks(component.len().div_ceil(3)).collect();

    let api = KubernetesApi::start().await;
    let folder = Folder::default();
    api.put_config_map("tools", "echo-0", &[("part", parts[0])]);
    let file = folder.write("echo.part1", parts[1]);
    api.put_secret("tools", "echo-2", &[("part", parts[2])]);
    let part = |index: usize| match index {
        0 => "configmap://tools/echo-0/part",
        1 => &file,
        _ => "secret://tools/echo-2/part",
    };
    let manifest = |order: [usize; 3]| {
        let source = order.map(part);
        json!({
            "version": 1,
            "engine": { "cache_dir": folder.path() },
            "tools": [{ "source": source, "name": "echo" }, guest("plain")],
        })
        .to_string()
    };
    let launch =
        |order| Launch::manifest(&manifest(order)).env("KUBECONFIG", api.kubeconfig(Token::Reader));
    let host = launch([0, 1, 2]).start().await;
    let answer = host.call("echo", json!({ "text": "hi" })).await;
    assert_eq!(answer.json(), json!({ "result": "Echo: hi" }));
    assert!(host.log().contains(&Digest::of(&component).to_string()));
    // The order counts, and the other tools are served all the same.
    let host = launch([1, 0, 2]).start().await;
    assert_eq!(host.get("/ready").await.json()["status"], "degraded");
}

/// An unsigned number as WebAssembly writes it.
fn leb128(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let byte = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 {
            bytes.push(byte);
            return bytes;
        }
        bytes.push(byte | 0x80);
    }
}

#[tokio::test]
async fn whatever_goes_wrong_is_one_line_with_the_mend() {
    let mut api = KubernetesApi::start().await;
    let server = format!("https://{}", api.authority());
    api.put_config_map(
        "tools",
        "echo",
        &[("echo.wasm", &echo()), ("notes", b"hello")],
    );
    let home = Folder::default();
    let reader = api.kubeconfig(Token::Reader);
    let reference = "configmap://tools/echo/echo.wasm";
    for (reference, token, expected) in [
        (
            reference,
            Token::Expired,
            format!(
                "{server} does not accept the credentials of KUBECONFIG (401): they are wrong or expired"
            ),
        ),
        (
            reference,
            Token::Nobody,
            format!(
                "{server} denies the right to read ConfigMap tools/echo (403): grant `get` on configmaps/echo in the namespace tools to bob"
            ),
        ),
        (
            "secret://tools/echo/echo.wasm",
            Token::Reader,
            format!("{server} has no Secret tools/echo (404)"),
        ),
        (
            "configmap://tools/echo/time.wasm",
            Token::Reader,
            "ConfigMap tools/echo has no key `time.wasm`, it has `echo.wasm`, `notes`".to_owned(),
        ),
        (
            "configmap://tools/echo/notes",
            Token::Reader,
            "configmap://tools/echo/notes: ".to_owned(),
        ),
    ] {
        let kubeconfig = api.kubeconfig(token);
        let error = refused(command(&home, &["inspect", reference], &kubeconfig)).await;
        assert!(error.contains(&expected), "{error}");
        assert!(!error.contains("token-of"), "{error}");
    }

    let missing = home.path().join("none.yaml");
    let error = refused(command(&home, &["inspect", reference], &missing)).await;
    assert!(
        error.contains("KUBECONFIG: failed to read kubeconfig"),
        "{error}"
    );
    let broken = home.write("broken.yaml", "users: [{ name: ada, user: hush }]");
    let error = refused(command(&home, &["inspect", reference], Path::new(&broken))).await;
    assert!(
        error.contains("KUBECONFIG: line 1 is no part of a kubeconfig"),
        "{error}"
    );
    assert!(!error.contains("hush"), "{error}");
    let nowhere = command(&home, &["inspect", reference], &reader).env_remove("KUBECONFIG");
    let error = refused(nowhere).await;
    assert!(error.contains("no Kubernetes cluster is known"), "{error}");
    let pod = command(&home, &["inspect", reference], &reader)
        .env_remove("KUBECONFIG")
        .env("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        .env("KUBERNETES_SERVICE_PORT", "1");
    let error = refused(pod).await;
    assert!(error.contains("automountServiceAccountToken"), "{error}");

    api.stop().await;
    let error = refused(command(&home, &["inspect", reference], &reader)).await;
    assert!(
        error.contains("cannot be reached (Connection refused"),
        "{error}"
    );
    assert!(
        error.contains("tried 4 times): check its name, its port and the network"),
        "{error}"
    );
}

#[tokio::test]
async fn a_kubeconfig_at_home_is_found() {
    let api = KubernetesApi::start().await;
    api.put_secret("tools", "echo", &[("echo.wasm", &echo())]);
    let home = Folder::default();
    let kubeconfig = api.kubeconfig(Token::Reader);
    let at_home = home.path().join(".kube");
    std::fs::create_dir(&at_home).expect("the folder is ours");
    // The file names its authority beside it.
    for name in [kubeconfig.as_path(), &kubeconfig.with_file_name("ca.pem")] {
        let to = match name.extension() {
            Some(kind) if kind == "pem" => at_home.join("ca.pem"),
            _ => at_home.join("config"),
        };
        std::fs::copy(name, to).expect("both folders are ours");
    }
    let launch = command(
        &home,
        &["inspect", "secret://tools/echo/echo.wasm"],
        &kubeconfig,
    );
    let finished = launch.env_remove("KUBECONFIG").run().await;
    assert_eq!(finished.code, Some(0), "{finished:?}");
}

#[tokio::test]
async fn an_api_server_that_is_down_serves_config_maps_from_the_cache_and_says_so() {
    let mut api = KubernetesApi::start().await;
    api.put_config_map("tools", "echo", &[("echo.wasm", &echo())]);
    api.put_secret(
        "tools",
        "calculator",
        &[(
            "calculator.wasm",
            &std::fs::read(tool("calculator")).expect("it is built"),
        )],
    );
    let cache = Folder::default();
    let manifest = json!({
        "version": 1,
        "engine": { "cache_dir": cache.path() },
        "tools": ["configmap://tools/echo/echo.wasm", "secret://tools/calculator/calculator.wasm"],
    })
    .to_string();
    let launch = || Launch::manifest(&manifest).env("KUBECONFIG", api.kubeconfig(Token::Reader));
    let host = launch().start().await;
    assert_eq!(host.get("/ready").await.json()["status"], "ready");
    drop(host);
    let down = launch();
    api.stop().await;

    let host = down.start().await;
    assert_eq!(host.tools().await, ["echo"]);
    let log = host.log();
    assert!(
        log.contains(
            "what `configmap://tools/echo/echo.wasm` had last is served from the cache (sha256:"
        ),
        "{log}"
    );
    assert!(
        log.contains("secret://tools/calculator/calculator.wasm"),
        "{log}"
    );
    let answer = host.get("/ready").await.json();
    assert_eq!(answer["status"], "degraded");
}

#[tokio::test]
async fn what_is_changed_is_served_without_a_restart() {
    let api = KubernetesApi::start().await;
    let folder = Folder::default();
    let calculator = std::fs::read(tool("calculator")).expect("it is built");
    let part = folder.write("part0", &echo()[..1000]);
    api.put_config_map("tools", "part", &[("part", &echo()[1000..])]);
    api.put_secret("tools", "calculator", &[("calculator", b"nothing yet")]);
    let manifest = json!({
        "version": 1,
        "engine": { "cache_dir": folder.path().join("cache") },
        "tools": [
            { "source": [part, "configmap://tools/part/part"] },
            "secret://tools/calculator/calculator",
        ],
    });
    let host = Launch::manifest(&manifest.to_string())
        .env("KUBECONFIG", api.kubeconfig(Token::Reader))
        .start()
        .await;
    assert_eq!(host.tools().await, ["echo"]);
    api.put_secret("tools", "calculator", &[("calculator", &calculator)]);
    eventually("the new Secret is served", async || {
        (host.tools().await.len() > 1).then_some(())
    })
    .await;
    // A broken part leaves the old version serving, a whole one takes its place.
    folder.write("part0", &echo()[..999]);
    eventually("it is degraded", async || {
        (host.get("/ready").await.json()["status"] == "degraded").then_some(())
    })
    .await;
    assert!(host.tools().await.contains(&"echo".to_owned()));
    folder.write("part0", &echo()[..1000]);
    eventually("it is well", async || {
        (host.get("/ready").await.json()["status"] == "ready").then_some(())
    })
    .await;
}

#[tokio::test]
async fn no_secret_stands_in_the_log() {
    let api = KubernetesApi::start().await;
    api.put_secret("tools", "plain", &[("plain", b"hush-hush-hush")]);
    let manifest = json!({ "tools": ["secret://tools/plain/plain", tool("echo")] }).to_string();
    let host = Launch::manifest(&manifest)
        .env("KUBECONFIG", api.kubeconfig(Token::Reader))
        .env("LOG_LEVEL", "TRACE")
        .start()
        .await;
    let log = host.log();
    assert!(log.contains("secret://tools/plain/plain"), "{log}");
    for secret in ["hush", "aHVzaC1odXNo", "token-of"] {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
}
