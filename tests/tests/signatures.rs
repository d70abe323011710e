//! Signatures of artifacts: what is not signed by who should have signed it never runs.

use std::path::PathBuf;

use sandglass_manifest::Digest;
use sandglass_tests::{
    Asked, Fake, Finished, Folder, Host, Launch, Registry, RegistryKind, eventually, reply, root,
    tool,
};
use serde_json::{Value, json};

const CONFIG: &str = "application/vnd.wasm.config.v0+json";
const WASM: &str = "application/wasm";
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

fn echo() -> Vec<u8> {
    std::fs::read(tool("echo")).expect("it is built")
}

/// A file that cosign wrote, or openssl: see the folder's README.
fn fixture(name: &str) -> PathBuf {
    root().join("tests/fixtures/cosign").join(name)
}

fn read(name: &str) -> Vec<u8> {
    std::fs::read(fixture(name)).expect(name)
}

fn read_json(name: &str) -> Value {
    serde_json::from_slice(&read(name)).expect(name)
}

/// A registry with one version of echo, a cache and a home.
struct Scene {
    registry: Registry,
    digest: Digest,
    home: Folder,
}

impl Scene {
    async fn new() -> Self {
        let registry = Registry::start(RegistryKind::Open).await;
        let digest = push_echo(&registry, "1").await;
        let home = Folder::default();
        Self {
            registry,
            digest,
            home,
        }
    }

    fn reference(&self, rest: &str) -> String {
        format!("oci://{}/{rest}", self.registry.authority())
    }

    fn command(&self, arguments: &[&str]) -> Launch {
        Launch::command(arguments)
            .env("HOME", self.home.path())
            .env("XDG_CACHE_HOME", self.home.path())
            .env("COSIGN_PASSWORD", "secret")
    }

    async fn sign(&self, reference: &str, key: &str, more: &[&str]) -> Finished {
        let command = self.command(&["sign", reference, "--key"]);
        let mut command = command.arg(fixture(key));
        for argument in more {
            command = command.arg(argument);
        }
        let finished = command.run().await;
        assert_eq!(finished.code, Some(0), "{finished:?}");
        finished
    }

    async fn verify(&self, reference: &str, key: &str) -> Finished {
        let command = self.command(&["verify", reference, "--json", "--key"]);
        command.arg(fixture(key)).run().await
    }

    /// The one line that says why it does not verify.
    async fn unsigned(&self, reference: &str, key: &str) -> String {
        let finished = self.verify(reference, key).await;
        assert_eq!(finished.code, Some(3), "{finished:?}");
        assert_eq!(
            finished.stderr.trim_end().lines().count(),
            1,
            "{finished:?}"
        );
        assert!(
            finished
                .stderr
                .contains(&fixture(key).display().to_string()),
            "{finished:?}"
        );
        assert!(
            finished.stderr.contains("sandglass sign oci://"),
            "{finished:?}"
        );
        finished.stderr
    }

    async fn serve(&self, tools: &Value, more: &Value) -> Host {
        let mut manifest = json!({
            "version": 1,
            "engine": { "cache_dir": self.home.path().join("served") },
            "tools": tools,
        });
        let keys = more.as_object().into_iter().flatten();
        for (key, value) in keys {
            manifest[key] = value.clone();
        }
        Launch::manifest(&manifest.to_string())
            .arg("--management-port")
            .arg("0")
            .start()
            .await
    }

    fn verified(&self, reference: &str, key: &str) -> Value {
        json!({ "source": reference, "verify": { "cosign": { "key": fixture(key) } } })
    }
}

async fn push_echo(registry: &Registry, tag: &str) -> Digest {
    // Tags that differ have different manifests.
    let note = ("text/plain", tag.as_bytes());
    registry
        .push("acme/echo", tag, CONFIG, &[(WASM, &echo()), note])
        .await
}

/// The key's digest, as openssl and sha256sum say it.
fn key_id(key: &str) -> String {
    String::from_utf8(read(&key.replace(".pub", ".id")))
        .expect("text")
        .trim()
        .to_owned()
}

/// What serves where a source is left out: `./first.wasm`.
fn other() -> Value {
    json!({ "source": tool("calculator"), "name": "first" })
}

#[tokio::test]
async fn what_cosign_signed_verifies_by_its_key_alone() {
    let scene = Scene::new().await;
    let registry = &scene.registry;
    let push = async |repository: &str| {
        for bytes in [b"\0asm".as_slice(), b"{}"] {
            registry.push_blob(repository, bytes).await;
        }
        registry
            .push_bytes(repository, "1", MANIFEST, &read("artifact.json"))
            .await
    };

    let digest = push("classic").await;
    let tag = format!("sha256-{}.sig", digest.hex());
    for blob in ["p256.classic.payload", "p256.classic.config.json"] {
        registry.push_blob("classic", &read(blob)).await;
    }
    registry
        .push_bytes(
            "classic",
            &tag,
            MANIFEST,
            &read("p256.classic.manifest.json"),
        )
        .await;

    let digest = push("bundle").await;
    for blob in [b"{}".to_vec(), read("p256.bundle.json")] {
        registry.push_blob("bundle", &blob).await;
    }
    let manifest = read("p256.bundle.manifest.json");
    registry
        .push_bytes(
            "bundle",
            &Digest::of(&manifest).to_string(),
            MANIFEST,
            &manifest,
        )
        .await;
    let tag = format!("sha256-{}", digest.hex());
    registry
        .push_bytes("bundle", &tag, INDEX, &read("p256.bundle.index.json"))
        .await;

    for repository in ["classic", "bundle"] {
        let reference = scene.reference(&format!("{repository}:1"));
        let verified = scene.verify(&reference, "p256.pub").await;
        assert_eq!(verified.code, Some(0), "{verified:?}");
        let expected = json!({
            "reference": format!("{reference}@{digest}"),
            "digest": digest,
            "signed_by": [{ "key": fixture("p256.pub"), "key_id": key_id("p256.pub") }],
        });
        assert_eq!(verified.json(), expected);
        let error = scene.unsigned(&reference, "rsa.pub").await;
        assert!(
            error.contains("the signature is by another key, or damaged"),
            "{error}"
        );
    }
    push("none").await;
    let error = scene.unsigned(&scene.reference("none:1"), "p256.pub").await;
    assert!(error.contains("there is no signature"), "{error}");
}

#[tokio::test]
async fn what_is_signed_is_served_and_says_by_whom() {
    for more in [&[][..], &["--bundle"]] {
        let scene = Scene::new().await;
        let reference = scene.reference("acme/echo:1");
        let pinned = format!("{reference}@{}", scene.digest);
        let signed = scene.sign(&reference, "p256.key", more).await;
        assert_eq!(signed.stdout.trim_end(), pinned);
        // Signed twice, it is pushed once.
        let again = scene
            .sign(&reference, "p256.key", &[more, &["--json"]].concat())
            .await;
        assert_eq!(again.json()["pushed"], false, "{again:?}");

        let audit = scene.home.path().join("audit.jsonl");
        let more = json!({ "audit": { "to": "file", "path": audit } });
        let tools = json!([scene.verified(&pinned, "p256.pub")]);
        let mut host = scene.serve(&tools, &more).await;
        let answer = host.call("echo", json!({ "text": "hi" })).await;
        assert_eq!(answer.json(), json!({ "result": "Echo: hi" }));
        let source = host.manage("/ready").await.json()["sources"][0].clone();
        let by = json!([{ "key": fixture("p256.pub"), "key_id": key_id("p256.pub") }]);
        assert_eq!(source["signed_by"], by, "{source}");
        assert!(host.log().contains("signed by "), "{}", host.log());
        host.terminate();
        assert_eq!(host.ended().await, Some(0));
        let record = std::fs::read_to_string(&audit).expect("the audit's file");
        let record: Value = serde_json::from_str(&record).expect("one record");
        assert_eq!(record["signed_by"], json!([key_id("p256.pub")]));

        let inspect = scene.command(&["inspect", "--json", &reference, "--key"]);
        let inspected = inspect.arg(fixture("p256.pub")).run().await;
        assert_eq!(inspected.json()["signed_by"], by);
        let inspected = scene.command(&["inspect", &reference]).run().await;
        assert!(inspected.stdout.contains("not verified"), "{inspected:?}");
        let inspect = scene.command(&["inspect", &reference, "--key"]);
        let refused = inspect.arg(fixture("rsa.pub")).run().await;
        assert_eq!(refused.code, Some(3), "{refused:?}");
    }
}

#[tokio::test]
async fn what_is_not_signed_is_left_out_and_the_others_serve() {
    let scene = Scene::new().await;
    let reference = scene.reference("acme/echo:1");
    scene.sign(&reference, "rsa.key", &[]).await;
    for (tools, more, part) in [
        (
            json!([scene.verified(&reference, "p256.pub"), other()]),
            json!({}),
            "the signature is by another key",
        ),
        (
            json!([reference, other()]),
            require(&scene.reference("acme/*"), "p256.pub"),
            "the signature is by another key",
        ),
        // Both must be met.
        (
            json!([scene.verified(&reference, "rsa.pub"), other()]),
            require(&scene.reference("*"), "p256.pub"),
            "p256.pub",
        ),
        (
            json!([scene.verified(&reference, "absent.pub"), other()]),
            json!({}),
            "absent.pub cannot be read: there is no such file",
        ),
        (
            json!([scene.verified(&reference, "p256.key"), other()]),
            json!({}),
            "is a private key",
        ),
    ] {
        let host = scene.serve(&tools, &more).await;
        let tools = host.tools().await;
        assert!(
            !tools.is_empty() && !tools.contains(&"echo".to_owned()),
            "{tools:?}"
        );
        let answer = host.call("echo", json!({ "text": "hi" })).await;
        assert_eq!(answer.status, 404, "{answer:?}");
        let ready = host.get("/ready").await.json();
        assert_eq!(ready["status"], "degraded", "{ready}");
        let reason = ready["failures"][0]["reason"].as_str().expect("a reason");
        assert!(reason.contains(part), "{reason}");
    }
    // A rule for others changes nothing, and both keys of a rotation do.
    let both = json!({ "cosign": { "key": [fixture("p256.pub"), fixture("rsa.pub")] } });
    for (tools, more) in [
        (
            json!([reference]),
            require(&scene.reference("other/*"), "p256.pub"),
        ),
        (
            json!([reference]),
            require(&scene.reference("acme/*"), "rsa.pub"),
        ),
        (json!([{ "source": reference, "verify": both }]), json!({})),
    ] {
        let host = scene.serve(&tools, &more).await;
        assert_eq!(host.tools().await, ["echo"]);
    }
}

fn require(pattern: &str, key: &str) -> Value {
    json!({ "require_signature": [{ "source": pattern, "cosign": { "key": fixture(key) } }] })
}

#[tokio::test]
async fn tenants_are_held_to_the_rules_too() {
    let scene = Scene::new().await;
    let mut more = require("oci://*", "p256.pub");
    more["tenants"] = json!({ "acme": { "tools": [scene.reference("acme/echo:1")] } });
    let host = scene.serve(&json!([other()]), &more).await;
    let ready = host.get("/t/acme/ready").await.json();
    assert_eq!(ready["tools"], json!([]), "{ready}");
    assert_eq!(ready["status"], "degraded", "{ready}");
}

#[tokio::test]
async fn a_signature_of_another_artifact_counts_for_nothing() {
    for more in [&[][..], &["--bundle"]] {
        let scene = Scene::new().await;
        let reference = scene.reference("acme/echo:1");
        scene.sign(&reference, "p256.key", more).await;
        assert_eq!(scene.verify(&reference, "p256.pub").await.code, Some(0));

        // The tag is moved.
        let registry = &scene.registry;
        let layers = [(WASM, &*echo()), ("text/plain", b"moved")];
        let moved = registry.push("acme/echo", "1", CONFIG, &layers).await;
        assert_ne!(moved, scene.digest);
        let error = scene.unsigned(&reference, "p256.pub").await;
        assert!(error.contains("there is no signature"), "{error}");
        assert!(error.contains(&moved.to_string()), "{error}");
        let old = scene.reference(&format!("acme/echo:1@{}", scene.digest));
        assert_eq!(scene.verify(&old, "p256.pub").await.code, Some(0));

        // And its signature copied.
        let suffix = if more.is_empty() { ".sig" } else { "" };
        let tag = |digest: &Digest| format!("sha256-{}{suffix}", digest.hex());
        let copied = registry.manifest("acme/echo", &tag(&scene.digest)).await;
        registry
            .push_manifest("acme/echo", &tag(&moved), &copied)
            .await;
        let error = scene.unsigned(&reference, "p256.pub").await;
        assert!(error.contains("is of another artifact, copied"), "{error}");
    }
}

#[tokio::test]
async fn a_payload_that_was_changed_counts_for_nothing() {
    let scene = Scene::new().await;
    let reference = scene.reference("acme/echo:1");
    scene.sign(&reference, "p256.key", &[]).await;
    let registry = &scene.registry;
    let layers = [(WASM, &*echo()), ("text/plain", b"moved")];
    let moved = registry.push("acme/echo", "1", CONFIG, &layers).await;

    // The signature of the old one, over a payload that names the new one.
    let tag = |digest: &Digest| format!("sha256-{}.sig", digest.hex());
    let mut manifest = registry.manifest("acme/echo", &tag(&scene.digest)).await;
    let layer = &mut manifest["layers"][0];
    let payload = registry
        .blob("acme/echo", layer["digest"].as_str().expect("a digest"))
        .await;
    let payload = payload
        .to_string()
        .replace(&scene.digest.hex(), &moved.hex());
    layer["digest"] = json!(registry.push_blob("acme/echo", payload.as_bytes()).await);
    layer["size"] = payload.len().into();
    registry
        .push_manifest("acme/echo", &tag(&moved), &manifest)
        .await;
    let error = scene.unsigned(&reference, "p256.pub").await;
    assert!(error.contains("is by another key, or damaged"), "{error}");
}

#[tokio::test]
async fn signatures_are_added_to_those_that_are_there() {
    for more in [&[][..], &["--bundle"]] {
        let scene = Scene::new().await;
        let reference = scene.reference("acme/echo:1");
        for key in ["p256", "p384", "rsa", "ed25519", "other"] {
            scene.sign(&reference, &format!("{key}.key"), more).await;
        }
        for key in ["p256", "p384", "rsa", "ed25519", "other"] {
            let verified = scene.verify(&reference, &format!("{key}.pub")).await;
            assert_eq!(verified.code, Some(0), "{verified:?}");
        }
    }
}

#[tokio::test]
async fn more_signatures_than_are_looked_at_do_not_count() {
    let scene = Scene::new().await;
    let reference = scene.reference("acme/echo:1");
    scene.sign(&reference, "p256.key", &[]).await;
    let tag = format!("sha256-{}.sig", scene.digest.hex());
    let registry = &scene.registry;
    let mut manifest = registry.manifest("acme/echo", &tag).await;
    let own = manifest["layers"][0].clone();
    let mut forged = own.clone();
    forged["annotations"]["dev.cosignproject.cosign/signature"] = "AAAA".into();
    for (before, code) in [(63, 0), (64, 3)] {
        let mut layers = vec![forged.clone(); before];
        layers.push(own.clone());
        manifest["layers"] = layers.into();
        registry.push_manifest("acme/echo", &tag, &manifest).await;
        // Without what the cache has seen.
        let cache = Folder::default();
        let verify = scene.command(&["verify", &reference, "--key"]);
        let verify = verify
            .arg(fixture("p256.pub"))
            .env("XDG_CACHE_HOME", cache.path());
        let finished = verify.run().await;
        assert_eq!(finished.code, Some(code), "{finished:?}");
    }
}

#[tokio::test]
async fn what_is_larger_than_signatures_are_is_not_fetched() {
    let scene = Scene::new().await;
    let reference = scene.reference("acme/echo:1");
    scene.sign(&reference, "p256.key", &[]).await;
    let tag = format!("sha256-{}.sig", scene.digest.hex());
    let registry = &scene.registry;
    let mut manifest = registry.manifest("acme/echo", &tag).await;
    let payload = vec![b' '; (256 << 10) + 1];
    let layer = &mut manifest["layers"][0];
    layer["digest"] = json!(registry.push_blob("acme/echo", &payload).await);
    layer["size"] = payload.len().into();
    registry.push_manifest("acme/echo", &tag, &manifest).await;
    let error = scene.unsigned(&reference, "p256.pub").await;
    assert!(error.contains("is larger than signatures are"), "{error}");
}

#[tokio::test]
async fn a_signature_in_the_cache_is_checked_again_and_needs_no_registry() {
    for more in [&[][..], &["--bundle"]] {
        let mut scene = Scene::new().await;
        let reference = scene.reference("acme/echo:1");
        scene.sign(&reference, "p256.key", more).await;
        let tools = json!([scene.verified(&reference, "p256.pub")]);
        drop(scene.serve(&tools, &json!({})).await);
        scene.registry.stop().await;

        let host = scene.serve(&tools, &json!({})).await;
        assert_eq!(host.tools().await, ["echo"]);
        let source = host.manage("/ready").await.json()["sources"][0].clone();
        assert_eq!(source["signed_by"][0]["key_id"], key_id("p256.pub"));

        let tools = json!([scene.verified(&reference, "rsa.pub"), other()]);
        let host = scene.serve(&tools, &json!({})).await;
        assert!(!host.tools().await.contains(&"echo".to_owned()));
        let ready = host.get("/ready").await.json();
        let reason = ready["failures"][0]["reason"].as_str().expect("a reason");
        assert!(
            reason.contains("its signatures cannot be had: "),
            "{reason}"
        );
    }
}

/// Looks at all sources again, at once.
async fn reload(host: &Host) {
    let reload = Launch::command(&["reload", "--json", "--url"]).arg(host.management(""));
    reload.run().await;
}

#[tokio::test]
async fn a_tag_that_moves_to_what_is_not_signed_leaves_the_signed_one_serving() {
    let scene = Scene::new().await;
    let reference = scene.reference("acme/echo:1");
    scene.sign(&reference, "p256.key", &[]).await;
    let tools = json!([scene.verified(&reference, "p256.pub")]);
    let host = scene.serve(&tools, &json!({})).await;
    let calculator = std::fs::read(tool("calculator")).expect("it is built");
    let layers = [(WASM, &*calculator)];
    let registry = &scene.registry;
    let moved = registry.push("acme/echo", "1", CONFIG, &layers).await;
    reload(&host).await;
    assert_eq!(host.tools().await, ["echo"]);
    let source = host.manage("/ready").await.json()["sources"][0].clone();
    assert_eq!(source["state"], "stale", "{source}");
    assert_eq!(source["signed_by"][0]["key_id"], key_id("p256.pub"));
    let reason = source["reason"].as_str().expect("a reason");
    assert!(
        reason.contains(&format!("{moved} is not signed by")),
        "{reason}"
    );

    scene.sign(&reference, "p256.key", &[]).await;
    reload(&host).await;
    assert!(!host.tools().await.contains(&"echo".to_owned()));
    assert_eq!(host.get("/ready").await.json()["status"], "ready");
}

#[tokio::test]
async fn what_serves_ends_with_the_trust_in_its_key() {
    let scene = Scene::new().await;
    let reference = scene.reference("acme/echo:1");
    scene.sign(&reference, "p256.key", &[]).await;
    let key = scene.home.write("acme.pub", read("p256.pub"));
    let source = json!({ "source": reference, "verify": { "cosign": { "key": key } } });
    let host = scene.serve(&json!([source, other()]), &json!({})).await;
    assert!(host.tools().await.contains(&"echo".to_owned()));

    scene.home.write("acme.pub", read("rsa.pub"));
    eventually("it is left out", async || {
        let tools = host.tools().await;
        (!tools.contains(&"echo".to_owned())).then_some(())
    })
    .await;
    let source = host.manage("/ready").await.json()["sources"][0].clone();
    assert_eq!(source["state"], "failed", "{source}");

    scene.home.write("acme.pub", read("p256.pub"));
    eventually("it serves again", async || {
        let tools = host.tools().await;
        tools.contains(&"echo".to_owned()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_registry_that_lists_referrers_is_asked_for_bundles() {
    let artifact = read("artifact.json");
    let digest = Digest::of(&artifact);
    let list = format!(
        "/referrers/{digest}?artifactType={}",
        BUNDLE.replace('/', "%2f").replace('+', "%2b")
    );
    let list = list.to_lowercase();
    let answer = move |asked: &Asked, _: &str| {
        let line = asked.line.to_lowercase();
        let manifest = read_json("p256.bundle.manifest.json");
        let parts = [
            ("manifests/1 ", artifact.clone()),
            (&*list, read("p256.bundle.index.json")),
            (
                "manifests/sha256:c714e3f321edc4f35b06de400d454a483e39411fdd67e8df8ae754626171ec0b",
                read("p256.bundle.manifest.json"),
            ),
            (
                manifest["layers"][0]["digest"].as_str().expect("a digest"),
                read("p256.bundle.json"),
            ),
        ];
        match parts.into_iter().find(|(part, _)| line.contains(part)) {
            Some((_, body)) => reply("200 OK", &[], body),
            None => reply("404 Not Found", &[], ""),
        }
    };
    let fake = Fake::start(answer).await;
    let home = Folder::default();
    let verified = verify(&home, &fake, "p256.pub").await;
    assert_eq!(verified.code, Some(0), "{verified:?}");
    let refused = verify(&home, &fake, "rsa.pub").await;
    assert_eq!(refused.code, Some(3), "{refused:?}");
    let tag = format!("manifests/sha256-{} ", digest.hex());
    assert!(!fake.asked().iter().any(|asked| asked.line.contains(&tag)));
}

async fn verify(home: &Folder, fake: &Fake, key: &str) -> Finished {
    let reference = format!("{}/acme/time:1", fake.authority());
    Launch::command(&["verify", &reference, "--key"])
        .arg(fixture(key))
        .env("HOME", home.path())
        .env("XDG_CACHE_HOME", home.path())
        .run()
        .await
}

#[tokio::test]
async fn a_registry_that_hides_its_signatures_is_not_taken_for_one_without() {
    for (status, part) in [
        ("500 Internal Server Error", "answered 500"),
        ("403 Forbidden", "denies the right to pull"),
    ] {
        let artifact = read("artifact.json");
        let fake = Fake::start(move |asked, _| {
            if asked.line.contains("manifests/1 ") {
                reply("200 OK", &[], &artifact)
            } else {
                reply(status, &[], "")
            }
        })
        .await;
        let refused = verify(&Folder::default(), &fake, "p256.pub").await;
        assert_eq!(refused.code, Some(3), "{refused:?}");
        let expected = format!("its signatures cannot be had: {}", fake.authority());
        assert!(refused.stderr.contains(&expected), "{refused:?}");
        assert!(refused.stderr.contains(part), "{refused:?}");
    }
}

#[tokio::test]
async fn a_key_that_cannot_be_used_is_wrong_usage() {
    let scene = Scene::new().await;
    let reference = scene.reference("acme/echo:1");
    for (arguments, password, part) in [
        (
            ["sign", "p256.key"],
            None,
            "is encrypted: set COSIGN_PASSWORD",
        ),
        (
            ["sign", "p256.key"],
            Some("hunter2"),
            "COSIGN_PASSWORD is wrong",
        ),
        (["sign", "p256.pub"], None, "is a `PUBLIC KEY`"),
        (["verify", "p256.key"], None, "is a private key"),
        (["verify", "absent.pub"], None, "there is no such file"),
    ] {
        let [command, key] = arguments;
        let launch = scene
            .command(&[command, &reference, "--key"])
            .arg(fixture(key));
        let launch = match password {
            Some(password) => launch.env("COSIGN_PASSWORD", password),
            None => launch.env_remove("COSIGN_PASSWORD"),
        };
        let finished = launch.run().await;
        assert_eq!(finished.code, Some(2), "{finished:?}");
        assert!(finished.stderr.contains(part), "{finished:?}");
        assert!(!finished.stderr.contains("hunter2"), "{finished:?}");
    }
    let inspect = scene.command(&["inspect", &tool("echo"), "--key"]);
    let finished = inspect.arg(fixture("p256.pub")).run().await;
    assert_eq!(finished.code, Some(3), "{finished:?}");
    let part = "only artifacts of registries carry signatures";
    assert!(finished.stderr.contains(part), "{finished:?}");
    let absent = scene.reference("acme/absent:1");
    let sign = scene.command(&["sign", &absent, "--key"]);
    let finished = sign.arg(fixture("other.key")).run().await;
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(
        finished.stderr.contains("has no `1` in acme/absent"),
        "{finished:?}"
    );
}

#[tokio::test]
async fn a_manifest_shows_what_must_be_signed() {
    let launch = Launch::command(&["inspect", "--json", "--config"]);
    let manifest = json!({
        "version": 1,
        "tools": ["oci://ghcr.io/acme/time:1", "./x.wasm"],
        "require_signature": [{ "source": "oci://ghcr.io/acme/*", "cosign": { "key": "acme.pub" } }],
    });
    let file = launch.write("tools.yaml", manifest.to_string());
    let key = launch.folder().join("acme.pub");
    let finished = launch.arg(file).run().await;
    let sources = finished.json()["sources"].clone();
    assert_eq!(
        sources[0]["signatures"],
        json!([{ "key": [key] }]),
        "{finished:?}"
    );
    assert_eq!(sources[1]["signatures"], json!([]));
}
