//! Components from registries: what is pulled is what was named, and whatever goes wrong is one line with the mend.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use sandglass_manifest::Digest;
use sandglass_tests::{
    Asked, Fake, Folder, Host, Launch, Registry, RegistryKind, refused, reply, tool,
};
use serde_json::json;

const CONFIG: &str = "application/vnd.wasm.config.v0+json";
const WASM: &str = "application/wasm";

fn echo() -> Vec<u8> {
    std::fs::read(tool("echo")).expect("it is built")
}

/// A manifest of these references, with a cache of its own.
fn manifest(cache: &Path, references: &[String]) -> String {
    json!({
        "version": 1,
        "engine": { "cache_dir": cache },
        "tools": references,
    })
    .to_string()
}

/// `sandglass inspect` of a reference, with a cache and a home of its own.
fn inspect(home: &Folder, reference: &str) -> Launch {
    Launch::command(&["inspect", reference])
        .env("HOME", home.path())
        .env("XDG_CACHE_HOME", home.path())
}

#[tokio::test]
async fn an_artifact_is_served_by_tag_and_by_digest() {
    let registry = Registry::start(RegistryKind::Open).await;
    let digest = registry
        .push("acme/echo", "1.2", CONFIG, &[(WASM, &echo())])
        .await;
    let repository = format!("oci://{}/acme/echo", registry.authority());
    let cache = Folder::default();
    for reference in [
        format!("{repository}:1.2"),
        format!("{repository}@{digest}"),
        format!("{repository}:any@{digest}"),
    ] {
        let host = Host::start(&manifest(cache.path(), &[reference])).await;
        let answer = host.call("echo", json!({ "text": "hi" })).await;
        assert_eq!(answer.json(), json!({ "result": "Echo: hi" }));
        assert_eq!(host.get("/ready").await.json()["status"], "ready");
    }
}

#[tokio::test]
async fn what_older_tools_pushed_is_found_among_all_layers() {
    let registry = Registry::start(RegistryKind::Open).await;
    let home = Folder::default();
    let policy = (
        "application/vnd.wassette.policy+yaml",
        &b"version: '1.0'\npermissions: { network: { allow: [{ host: api.example.com }] } }"[..],
    );
    for (tag, config, media_type) in [
        ("wkg", CONFIG, WASM),
        (
            "wasm-to-oci",
            "application/vnd.wasm.config.v1+json",
            "application/vnd.wasm.content.layer.v1+wasm",
        ),
        (
            "solo",
            "application/vnd.module.wasm.config.v1+json",
            "application/vnd.module.wasm.content.layer.v1+wasm",
        ),
        (
            "wassette",
            "application/vnd.oci.image.config.v1+json",
            "application/vnd.wasm.component.v1",
        ),
    ] {
        let layers = [policy, (media_type, &echo())];
        registry.push("echo", tag, config, &layers).await;
        let reference = format!("oci://{}/echo:{tag}", registry.authority());
        let finished = inspect(&home, &reference).run().await;
        assert_eq!(finished.code, Some(0), "{finished:?}");
        assert!(finished.stdout.contains(&Digest::of(&echo()).to_string()));
        assert!(
            finished.stderr.contains("comes with a policy"),
            "{finished:?}"
        );
        // It is not applied, and its grants are put in the operator's words.
        for part in ["would grant the same", &reference, "host: api.example.com"] {
            assert!(finished.stdout.contains(part), "{part}: {finished:?}");
        }
    }
}

/// Byte for byte what `wkg oci push` 0.15 sends: oci-wasm's config, and a manifest in canonical JSON.
#[tokio::test]
async fn what_wkg_pushed_is_served() {
    let registry = Registry::start(RegistryKind::Open).await;
    let layer = registry.push_blob("echo", &echo()).await;
    let config = format!(
        r#"{{"created":"2026-01-01T00:00:00.123456789Z","author":null,"architecture":"wasm","os":"wasip2","layerDigests":["{layer}"],"component":{{"exports":["sandglass:tool/tools@0.1.0"],"imports":[],"target":null}}}}"#
    );
    let config_digest = registry.push_blob("echo", config.as_bytes()).await;
    let manifest = json!({
        "annotations": { "org.opencontainers.image.version": "0.1.0" },
        "config": { "digest": config_digest, "mediaType": CONFIG, "size": config.len() },
        "layers": [{ "digest": layer, "mediaType": WASM, "size": echo().len() }],
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "schemaVersion": 2,
    });
    registry.push_manifest("echo", "0.1.0", &manifest).await;
    let reference = format!("oci://{}/echo:0.1.0", registry.authority());
    let finished = inspect(&Folder::default(), &reference).run().await;
    assert_eq!(finished.code, Some(0), "{finished:?}");
}

#[tokio::test]
async fn an_index_leads_to_the_component() {
    let registry = Registry::start(RegistryKind::Open).await;
    let wasm = registry
        .push("echo", "wasm", CONFIG, &[(WASM, &echo())])
        .await;
    let native = registry
        .push(
            "echo",
            "native",
            "application/vnd.oci.image.config.v1+json",
            &[("application/vnd.oci.image.layer.v1.tar", b"x")],
        )
        .await;
    let entry = |digest: &Digest, os: &str, architecture: &str| {
        json!({
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": digest,
            "size": registry.blob_size(&digest.hex()),
            "platform": { "os": os, "architecture": architecture },
        })
    };
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [entry(&native, "linux", "amd64"), entry(&wasm, "wasip2", "wasm")],
    });
    registry.push_manifest("echo", "all", &index).await;
    let home = Folder::default();
    let reference = format!("oci://{}/echo:all", registry.authority());
    let finished = inspect(&home, &reference).run().await;
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let reference = format!("oci://{}/echo:native", registry.authority());
    let error = refused(inspect(&home, &reference)).await;
    assert!(
        error.contains("none of its layers is a component"),
        "{error}"
    );
    assert!(
        error.contains("application/vnd.oci.image.layer.v1.tar"),
        "{error}"
    );
}

#[tokio::test]
async fn a_private_registry_takes_the_right_credentials_only() {
    let registry = Registry::start(RegistryKind::Private).await;
    registry.push("echo", "1", CONFIG, &[(WASM, &echo())]).await;
    let reference = format!("oci://{}/echo:1", registry.authority());
    let home = Folder::default();
    let login = |password: &str| {
        json!({ "auths": { registry.authority(): { "username": "ada", "password": password } } })
            .to_string()
    };
    let right = home.write("right.json", login("secret"));
    let wrong = home.write("wrong.json", login("not-it"));

    let error = refused(inspect(&home, &reference)).await;
    assert!(
        error.contains("refuses whoever is not logged in (401)"),
        "{error}"
    );
    assert!(error.contains("docker login"), "{error}");
    let error =
        refused(inspect(&home, &reference).env("SANDGLASS_REGISTRY_AUTH_FILE", &wrong)).await;
    assert!(error.contains("refuses the credentials of"), "{error}");
    assert!(
        error.contains("wrong.json") && !error.contains("not-it"),
        "{error}"
    );
    let missing = inspect(&home, &reference).env("SANDGLASS_REGISTRY_AUTH_FILE", "/nowhere");
    let error = refused(missing).await;
    assert!(error.contains("/nowhere: it cannot be opened"), "{error}");

    let finished = inspect(&home, &reference)
        .env("SANDGLASS_REGISTRY_AUTH_FILE", &right)
        .run()
        .await;
    assert_eq!(finished.code, Some(0), "{finished:?}");
    std::fs::rename(&right, home.path().join("config.json")).expect("the folder is ours");
    let finished = inspect(&Folder::default(), &reference)
        .env("DOCKER_CONFIG", home.path())
        .run()
        .await;
    assert_eq!(finished.code, Some(0), "{finished:?}");
}

#[tokio::test]
async fn what_a_registry_does_not_have_is_said_and_the_others_serve_on() {
    let registry = Registry::start(RegistryKind::Open).await;
    registry.push("echo", "1", CONFIG, &[(WASM, &echo())]).await;
    let at = |rest: &str| format!("oci://{}/{rest}", registry.authority());
    let cache = Folder::default();
    let absent = Digest::of(b"absent");
    let references = [
        at("echo:1"),
        at("echo:9"),
        at("nothing:1"),
        at(&format!("echo@{absent}")),
    ];
    let host = Host::start(&manifest(cache.path(), &references)).await;
    assert_eq!(host.tools().await, ["echo"]);
    let ready = host.get("/ready").await.json();
    assert_eq!(ready["status"], "degraded");
    let log = host.log();
    for name in ["9", "1", &absent.to_string()] {
        let text = format!("has no `{name}` in ");
        assert!(log.contains(&text), "{text}: {log}");
    }
}

/// A registry of one artifact, `x:1`, whose blob is answered as the test wants.
async fn liar(blob: impl Fn(&Asked) -> Vec<u8> + Send + Sync + 'static) -> Fake {
    let component = b"\0asm\x0d\0\x01\0";
    let manifest = json!({
        "schemaVersion": 2,
        "config": { "mediaType": CONFIG, "digest": Digest::of(b"{}"), "size": 2 },
        "layers": [{ "mediaType": WASM, "digest": Digest::of(component), "size": component.len() }],
    });
    Fake::start(move |asked, _| {
        if asked.line.contains("/blobs/") {
            blob(asked)
        } else {
            reply("200 OK", &[], manifest.to_string())
        }
    })
    .await
}

#[tokio::test]
async fn other_bytes_than_were_named_are_never_used() {
    for (what, answer, part) in [
        (
            "forged",
            reply("200 OK", &[], b"\0asm\x0d\0\x01X"),
            "sent other bytes",
        ),
        (
            "short",
            reply("200 OK", &[], b"\0asm"),
            "sent 4 bytes where 8 are due",
        ),
        (
            "long",
            reply("200 OK", &[], [b'x'; 100]),
            "has more than the 8 bytes that are due",
        ),
        (
            "endless",
            [&b"HTTP/1.1 200 OK\r\n\r\n"[..], &[b'x'; 100]].concat(),
            "has more than the 8 bytes that are due",
        ),
        (
            "broken off",
            b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n\0asm".to_vec(),
            "broke off in the middle",
        ),
        (
            "forbidden",
            reply("403 Forbidden", &[], ""),
            "denies the right to pull x (403)",
        ),
        ("gone", reply("404 Not Found", &[], ""), "has no `sha256:"),
    ] {
        let fake = liar(move |_| answer.clone()).await;
        let home = Folder::default();
        let error = refused(inspect(&home, &format!("oci://{}/x:1", fake.authority()))).await;
        assert!(error.contains(part), "{what}: {error}");
        let kept = home.path().join("sandglass/blobs/sha256");
        let kept = std::fs::read_dir(kept).map_or(0, Iterator::count);
        assert_eq!(kept, 1, "{what}: only the manifest is kept");
    }
}

#[tokio::test]
async fn a_manifest_that_is_none_is_refused() {
    let large = vec![b' '; (4 << 20) + 1];
    let big = json!({ "layers": [{ "mediaType": WASM, "digest": Digest::of(b""), "size": 1_u64 << 40 }] });
    for (body, part) in [
        (b"<html>".to_vec(), "its manifest cannot be read"),
        (large, "has more than 4MiB"),
        (big.to_string().into_bytes(), "at most 128MiB"),
    ] {
        let fake = Fake::start(move |_, _| reply("200 OK", &[], &body)).await;
        let home = Folder::default();
        let error = refused(inspect(&home, &format!("oci://{}/x:1", fake.authority()))).await;
        assert!(error.contains(part), "{error}");
    }
}

#[tokio::test]
async fn a_registry_that_is_busy_is_asked_again() {
    for (status, headers) in [
        ("503 Service Unavailable", &[][..]),
        ("429 Too Many Requests", &["retry-after: 1"]),
    ] {
        let times = std::sync::atomic::AtomicU32::new(0);
        let fake = liar(move |_| {
            if times.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0 {
                reply(status, headers, "")
            } else {
                reply("200 OK", &[], b"\0asm\x0d\0\x01\0")
            }
        })
        .await;
        let home = Folder::default();
        // It comes as far as being loaded: an empty component has no tools.
        let error = refused(inspect(&home, &format!("oci://{}/x:1", fake.authority()))).await;
        assert!(!error.contains(status), "{error}");
        let blobs = |asked: &&Asked| asked.line.contains("/blobs/");
        assert_eq!(fake.asked().iter().filter(blobs).count(), 2);
    }
    let fake = liar(|_| reply("429 Too Many Requests", &["retry-after: 3600"], "")).await;
    let error = refused(inspect(
        &Folder::default(),
        &format!("oci://{}/x:1", fake.authority()),
    ))
    .await;
    assert!(
        error.contains("429 Too Many Requests (tried once)"),
        "{error}"
    );
}

#[tokio::test]
async fn a_token_is_fetched_with_the_password_or_with_the_identity_token() {
    let token_server = |asked: &Asked, own: &str| {
        let challenge =
            format!(r#"www-authenticate: Bearer realm="http://{own}/token",service="s""#);
        if asked.line.contains("/token") {
            // `ada:secret`, or the identity token.
            let known = asked.head.contains("authorization: basic ywrhonnly3jlda==")
                || asked.body.contains("grant_type=refresh_token")
                    && asked.body.contains("refresh_token=it%26");
            match known {
                true => reply("200 OK", &[], r#"{"access_token": "good"}"#),
                false => reply("401 Unauthorized", &[], ""),
            }
        } else if asked.head.contains("authorization: bearer good") {
            reply("404 Not Found", &[], "")
        } else {
            reply("401 Unauthorized", &[&challenge], "")
        }
    };
    let fake = Fake::start(token_server).await;
    let reference = format!("oci://{}/acme/x:1", fake.authority());
    let home = Folder::default();
    for (login, part) in [
        (
            json!({ "username": "ada", "password": "secret" }),
            "has no `1` in acme/x (404)",
        ),
        (
            json!({ "auth": "MDA6", "identitytoken": "it&" }),
            "has no `1` in acme/x (404)",
        ),
        (
            json!({ "username": "ada", "password": "wrong" }),
            "refuses the credentials of",
        ),
    ] {
        let file = home.write(
            "auth.json",
            json!({ "auths": { fake.authority(): login } }).to_string(),
        );
        let launch = inspect(&home, &reference).env("SANDGLASS_REGISTRY_AUTH_FILE", file);
        let error = refused(launch).await;
        assert!(error.contains(part), "{error}");
    }
    let error = refused(inspect(&home, &reference)).await;
    assert!(
        error.contains("refuses whoever is not logged in (401)"),
        "{error}"
    );
    let scope = "scope=repository%3Aacme%2Fx%3Apull&service=s";
    assert!(fake.asked().iter().any(|asked| asked.line.contains(scope)));
}

#[tokio::test]
async fn a_registry_that_is_down_serves_from_the_cache_and_says_so() {
    let mut registry = Registry::start(RegistryKind::Open).await;
    registry.push("echo", "1", CONFIG, &[(WASM, &echo())]).await;
    let reference = format!("oci://{}/echo:1", registry.authority());
    let cache = Folder::default();
    let yaml = manifest(cache.path(), std::slice::from_ref(&reference));
    drop(Host::start(&yaml).await);
    registry.stop().await;

    let launch = Launch::manifest(&yaml).arg("--management-port").arg("0");
    let host = launch.start().await;
    assert_eq!(host.tools().await, ["echo"]);
    let source = host.manage("/ready").await.json()["sources"][0].clone();
    assert_eq!(source["state"], "loaded");
    let notice = source["notice"].as_str().expect("a notice");
    assert!(notice.contains("is served from the cache"), "{notice}");
    let log = host.log();
    assert!(log.contains("cannot be reached"), "{log}");
    assert!(log.contains("is served from the cache (sha256:"), "{log}");

    let error = refused(inspect(&Folder::default(), &reference)).await;
    assert!(
        error.contains("cannot be reached (Connection refused"),
        "{error}"
    );
    assert!(
        error.contains("tried 4 times): check its name, its port and the network"),
        "{error}"
    );

    // What others could have written says nothing of a tag.
    let tags = std::fs::read_dir(cache.path().join("tags")).expect("it was kept");
    for tag in tags.flatten() {
        let mode = std::fs::Permissions::from_mode(0o666);
        std::fs::set_permissions(tag.path(), mode).expect("the folder is ours");
    }
    let finished = Launch::manifest(&yaml).run().await;
    assert_eq!(finished.code, Some(3), "{finished:?}");
    let told = "cached tag not used";
    assert!(finished.stderr.contains(told), "{finished:?}");
}

#[tokio::test]
async fn a_tag_that_was_taken_away_is_not_served_from_the_cache() {
    let gone = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let switch = std::sync::Arc::clone(&gone);
    let fake = Fake::start(move |asked, _| {
        if switch.load(std::sync::atomic::Ordering::SeqCst) {
            return reply("404 Not Found", &[], "");
        }
        if asked.line.contains("/blobs/") {
            return reply("200 OK", &[], echo());
        }
        let layer =
            json!({ "mediaType": WASM, "digest": Digest::of(&echo()), "size": echo().len() });
        reply("200 OK", &[], json!({ "layers": [layer] }).to_string())
    })
    .await;
    let reference = format!("oci://{}/echo:1", fake.authority());
    let home = Folder::default();
    assert_eq!(inspect(&home, &reference).run().await.code, Some(0));
    gone.store(true, std::sync::atomic::Ordering::SeqCst);
    let error = refused(inspect(&home, &reference)).await;
    assert!(error.contains("has no `1` in echo (404)"), "{error}");
}

#[tokio::test]
async fn plain_http_is_spoken_off_loopback_only_where_it_was_asked_for() {
    let fake = Fake::start(|_, _| reply("404 Not Found", &[], "")).await;
    let port = fake
        .authority()
        .rsplit(':')
        .next()
        .expect("a port")
        .to_owned();
    // The same machine, but not by its name.
    let registry = format!("[::ffff:127.0.0.1]:{port}");
    let reference = format!("oci://{registry}/x:1");
    let home = Folder::default();
    let error = refused(inspect(&home, &reference)).await;
    assert!(error.contains("cannot be reached"), "{error}");
    assert!(fake.asked().is_empty());
    let asked_for = inspect(&home, &reference)
        .env("SANDGLASS_INSECURE_REGISTRIES", format!("a.io, {registry}"));
    let error = refused(asked_for).await;
    assert!(error.contains("has no `1` in x (404)"), "{error}");
}

/// Runs a program over bytes.
fn through(program: &[&str], bytes: &[u8]) -> Vec<u8> {
    let folder = Folder::default();
    let file = folder.write("in", bytes);
    let output = Command::new(program[0])
        .args(&program[1..])
        .arg(file)
        .output();
    let output = output.expect("coreutils and gzip are there");
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

#[tokio::test]
async fn compressed_and_base64_components_are_recognised() {
    let folder = Folder::default();
    let gzip = through(&["gzip", "-c"], &echo());
    folder.write("echo.wasm", through(&["base64"], &gzip));
    let host = Host::start(&json!({ "version": 1, "tools": [folder.path()] }).to_string()).await;
    assert_eq!(host.tools().await, ["echo"]);

    let registry = Registry::start(RegistryKind::Open).await;
    registry.push("echo", "gz", CONFIG, &[(WASM, &gzip)]).await;
    let reference = format!("oci://{}/echo:gz", registry.authority());
    let finished = inspect(&folder, &reference).run().await;
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(
        finished.stdout.contains(&Digest::of(&echo()).to_string()),
        "the component's own digest"
    );
}

#[tokio::test]
async fn who_a_registry_leads_to_does_not_get_its_credentials() {
    let thief = Fake::start(|_, own| {
        let challenge = format!("www-authenticate: Bearer realm=\"http://{own}/token\"");
        reply("401 Unauthorized", &[&challenge], "")
    })
    .await;
    let there = format!("location: http://{}/blob", thief.authority());
    let registry = Fake::start(move |_, _| reply("307 Temporary Redirect", &[&there], "")).await;
    let home = Folder::default();
    let known = json!({ "auths": { registry.authority(): { "auth": "YWRhOnNlY3JldA==" } } });
    let file = home.write("auth.json", known.to_string());
    let reference = format!("oci://{}/acme/echo:1", registry.authority());
    let told = refused(inspect(&home, &reference).env("SANDGLASS_REGISTRY_AUTH_FILE", file)).await;
    assert!(told.contains("401"), "{told}");
    let asked = thief.asked();
    assert!(!asked.is_empty());
    for Asked { line, head, .. } in asked {
        assert!(line.starts_with("GET /blob "), "{line}");
        assert!(!head.contains("authorization"), "{head}");
    }
}

#[tokio::test]
async fn what_is_pushed_goes_to_the_registry_and_to_nobody_else() {
    let thief = Fake::start(|_, _| reply("202 Accepted", &["location: /more"], "")).await;
    let home = Folder::default();
    // Its own word, and that of who it sends on to.
    for status in ["202 Accepted", "307 Temporary Redirect"] {
        let there = format!("location: http://{}/upload", thief.authority());
        let registry = Fake::start(move |asked, _| match asked.line.starts_with("POST") {
            true => reply(status, &[&there], ""),
            false => reply("200 OK", &[], ""),
        })
        .await;
        let reference = format!("{}/acme/echo:1", registry.authority());
        let push = Launch::command(&["push", &tool("echo"), &reference]);
        let pushed = push.env("HOME", home.path()).run().await;
        assert_eq!(pushed.code, Some(1), "{pushed:?}");
        let line = &pushed.stderr;
        assert!(
            line.contains("wants it sent to") || line.contains("did not take it (307"),
            "{line}"
        );
    }
    assert!(thief.asked().is_empty(), "{:?}", thief.asked());
}
