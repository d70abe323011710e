//! deploy/kaos: the runtime as KAOS' operator registers it, and each sample, started as that operator would.

use k8s_openapi::api::core::v1::PodSpec;
use sandglass_manifest::{Manifest, Origin, Surroundings};
use sandglass_tests::{
    Client, Host, Kaos, Launch, Pod, Registry, RegistryKind, Volumes, eventually, objects_of, root,
    samples, serves, strict, tool,
};
use serde_json::{Value, json};
use tokio::net::TcpStream;

/// Where the samples' components would be.
const REGISTRY: &str = "registry.example.com";

/// What an MCPServer of today's KAOS may have.
const FIELDS: [&str; 7] = [
    "runtime",
    "params",
    "serviceAccountName",
    "container",
    "gatewayRoute",
    "telemetry",
    "podSpec",
];

/// Starts a pod, and probes it as the kubelet does.
async fn started(pod: Pod) -> (Host, Volumes) {
    let host = pod.launch.start().await;
    let probe = TcpStream::connect(host.authority()).await;
    assert!(probe.is_ok(), "{probe:?}");
    (host, pod.volumes)
}

/// Starts the pod of a sample that needs no more than its file has.
async fn sample(file: &str, server: &str) -> (Host, Volumes) {
    started(Kaos::sample(file).pod(server)).await
}

async fn result(host: &Host, tool: &str, arguments: Value) -> Value {
    let answer = host.call(tool, arguments).await;
    assert_eq!(answer.status, 200, "{answer:?}\n{}", host.log());
    answer.json()["result"].clone()
}

/// The names of the samples that hold MCPServers.
fn servers() -> Vec<String> {
    let files = samples(&root().join("deploy/kaos/samples"));
    let names = files.iter().filter_map(|file| file.file_name()?.to_str());
    let names: Vec<String> = names.map(str::to_owned).collect();
    let with_servers = |name: &String| Kaos::sample(name).servers().next().is_some();
    let named: Vec<String> = names.into_iter().filter(with_servers).collect();
    assert_eq!(named.len(), 5, "{named:?}");
    named
}

#[test]
fn the_entry_by_hand_is_that_of_the_values() {
    let deploy = root().join("deploy/kaos");
    let values = objects_of(&deploy.join("values.yaml"));
    let by_hand = objects_of(&deploy.join("runtimes-entry.yaml"));
    assert_eq!(by_hand, [values[0]["mcpRuntimes"]["custom"].clone()]);
    let wasm = by_hand[0]["wasm"].as_object().expect("an entry");
    let known = [
        "type",
        "image",
        "description",
        "command",
        "args",
        "paramsEnvVar",
        "transport",
        "requiredEnv",
    ];
    for key in wasm.keys() {
        assert!(known.contains(&key.as_str()), "KAOS knows no {key}");
    }
    let python = objects_of(&deploy.join("values-python-string.yaml")).remove(0);
    assert_eq!(python["defaultImages"]["mcpPythonString"], wasm["image"]);
    let tag = wasm["image"].as_str().and_then(|it| it.rsplit_once(':'));
    assert_eq!(tag.map(|(_, tag)| tag), Some(env!("CARGO_PKG_VERSION")));
}

#[test]
fn each_samples_manifest_is_one() {
    for sample in servers() {
        for server in Kaos::sample(&sample).servers() {
            if server["spec"]["runtime"] != "wasm" {
                continue;
            }
            let params = server["spec"]["params"].as_str().expect("a text");
            let origin = Origin::Environment("MCP_PARAMS");
            let manifest = Manifest::parse_in(params, &origin, &Surroundings::default());
            let manifest = manifest.unwrap_or_else(|error| panic!("{sample}: {error}"));
            assert!(manifest.tools.is_some_and(|tools| !tools.is_empty()));
        }
    }
}

#[test]
fn each_samples_pod_is_hardened() {
    for sample in servers() {
        for server in Kaos::sample(&sample).servers() {
            let spec = server["spec"].as_object().expect("a spec");
            for key in spec.keys() {
                assert!(FIELDS.contains(&key.as_str()), "{sample}: {key}");
            }
            let pod: PodSpec = strict(&spec["podSpec"]);
            assert_eq!(pod.automount_service_account_token, Some(false), "{sample}");
            let context = pod.security_context.expect("a security context");
            assert_eq!(context.run_as_non_root, Some(true), "{sample}");
            assert_eq!(context.run_as_user, Some(65532), "the image's user");
            let profile = context.seccomp_profile.expect("a profile");
            assert_eq!(profile.type_, "RuntimeDefault", "{sample}");
            let [container] = pod.containers.as_slice() else {
                panic!("{sample}: one container");
            };
            let context = container.security_context.clone().expect("one too");
            assert_eq!(context.read_only_root_filesystem, Some(true), "{sample}");
            assert_eq!(context.allow_privilege_escalation, Some(false), "{sample}");
            let dropped = context.capabilities.and_then(|it| it.drop);
            assert_eq!(dropped, Some(vec!["ALL".to_owned()]), "{sample}");
            let limits = container.resources.clone().and_then(|it| it.limits);
            assert!(limits.is_some_and(|it| it.contains_key("memory")));
        }
    }
}

#[tokio::test]
async fn inline_python() {
    let (host, _volumes) = sample("inline-python.yaml", "calculator").await;
    assert_eq!(result(&host, "add", json!({"a": 2, "b": 3})).await, 5);
    let greeting = result(&host, "greet", json!({"name": "Ada"})).await;
    assert_eq!(greeting, "Good evening, Ada!");
    let failure = host.call("divide", json!({"a": 1, "b": 0})).await;
    assert_eq!(failure.status, 500);
    assert!(failure.error().contains("b must not be 0"), "{failure:?}");
}

#[tokio::test]
async fn a_python_string_as_it_is() {
    let (host, _volumes) = sample("python-string.yaml", "string-utils").await;
    let text = result(&host, "uppercase", json!({"text": "abc"})).await;
    assert_eq!(text, "ABC");
    assert_eq!(result(&host, "where", json!({})).await, "north");
}

#[tokio::test]
async fn a_mounted_config_map_that_changes() {
    let (host, mut volumes) = sample("from-configmap.yaml", "text-tools").await;
    let text = json!({"text": "on and on"});
    assert_eq!(result(&host, "count_words", text.clone()).await, 3);
    assert_eq!(result(&host, "shout", text).await, "ON AND ON!");
    let mounted = volumes.mounted.get_mut("tools").expect("it is mounted");
    mounted.set(&[("text.py", b"def other() -> int:\n    return 1\n")]);
    serves(&host, &["other"]).await;
}

#[tokio::test]
async fn a_mounted_secret() {
    let mut pod = Kaos::sample("from-secret.yaml").pod("pricing");
    pod.launch = pod.launch.env("LOG_LEVEL", "TRACE");
    let (host, _volumes) = started(pod).await;
    let offer = json!({"customer": "Ada", "cents": 1250});
    let offer = result(&host, "sign_offer", offer).await;
    // printf %s Ada:1250 | openssl dgst -sha256 -hmac change-me
    assert_eq!(
        offer["signature"],
        "f61686da484db188b707fd4cd2794697e71aed20337ee53ce978f2125553a0fb"
    );
    assert!(!host.log().contains("change-me"), "{}", host.log());
}

#[tokio::test]
async fn components_from_a_registry() {
    let registry = Registry::start(RegistryKind::Open).await;
    for name in ["time", "calculator"] {
        let bytes = std::fs::read(tool(name)).expect("it is built");
        let config = "application/vnd.wasm.config.v0+json";
        let layers = [("application/wasm", bytes.as_slice())];
        registry
            .push(&format!("acme/{name}"), "1.2", config, &layers)
            .await;
    }
    for (server, tool, arguments, part) in [
        (
            "time",
            "get_current_time",
            json!({"timezone": "Europe/Paris"}),
            "Europe/Paris",
        ),
        ("calculator-component", "add", json!({"a": 2, "b": 3}), "5"),
    ] {
        let sample = Kaos::sample("from-oci.yaml").replacing(REGISTRY, registry.authority());
        let (host, volumes) = started(sample.pod(server)).await;
        let told = result(&host, tool, arguments).await.to_string();
        assert!(told.contains(part), "{told}");
        let kept = std::fs::read_dir(volumes.writable["cache"].path().join("sandglass"));
        let kept = kept.expect("what was compiled is kept in the emptyDir");
        assert!(kept.count() > 0);
    }
}

/// The servers of the agent's sample, as its operator names them.
fn agent_servers() -> Vec<String> {
    let agent = objects_of(&root().join("deploy/kaos/samples/agent.yaml")).remove(0);
    let names = agent["spec"]["mcpServers"].as_array().expect("a list");
    let names = names.iter().map(|name| name.as_str().expect("a name"));
    names.map(str::to_owned).collect()
}

#[tokio::test]
async fn an_agent_finds_its_tools_by_its_environment() {
    let logged = async |file, server| {
        let mut pod = Kaos::sample(file).pod(server);
        pod.launch = pod.launch.env("MCP_ACCESS_LOG", "true");
        started(pod).await
    };
    let (calculator, _volumes) = logged("inline-python.yaml", "calculator").await;
    let (text, _mounted) = logged("from-configmap.yaml", "text-tools").await;
    let names = agent_servers();
    assert_eq!(names, ["calculator", "text-tools"]);
    let calls = json!([
        ["add", {"a": 2, "b": 3}],
        ["divide", {"a": 1, "b": 0}],
        ["shout", {"text": "hey"}],
    ]);
    let mut agent = Client::python("SANDGLASS_PYTHON_LEGACY", "kaos_agent.py")
        .arg(calls.to_string())
        .env("MCP_SERVERS", names.join(","));
    for (name, host) in names.iter().zip([&calculator, &text]) {
        agent = agent.env(&format!("MCP_SERVER_{name}_URL"), host.url());
    }
    let seen = agent.succeed().await.json();
    let tools = &seen["tools"];
    assert_eq!(tools["calculator"], json!(["add", "divide", "greet"]));
    assert_eq!(
        tools["text-tools"],
        json!(["count_words", "reverse", "shout"])
    );
    let [sum, failure, shout] = &seen["answers"].as_array().expect("a list")[..] else {
        panic!("{seen}");
    };
    assert_eq!(*sum, json!({"text": "5", "failed": false}));
    assert_eq!(failure["failed"], true);
    assert!(failure["text"].to_string().contains("b must not be 0"));
    assert_eq!(*shout, json!({"text": "HEY!", "failed": false}));
    // A session for each operation: a list and two calls of one, a list and a call of the other.
    for (host, operations) in [(&calculator, 3), (&text, 2)] {
        let requests = |method: &str, status: u16| {
            let line = format!("method={method} path=\"/mcp\" status={status}");
            host.log().matches(&line).count()
        };
        // Each is begun, has a stream, and is ended; a line may come later than its answer.
        for (method, status) in [("POST", 202), ("GET", 200), ("DELETE", 200)] {
            eventually(&format!("{method} in each session"), async || {
                (requests(method, status) == operations).then_some(())
            })
            .await;
        }
    }
}

#[tokio::test]
async fn parameters_that_are_none_say_what_to_write() {
    for (params, parts) in [
        (
            "def add(a: int, b: int) -> int:\n    return a + b\n",
            &["MCP_PARAMS holds Python source", "MCP_TOOLS_STRING"][..],
        ),
        ("acme/time:1.2", &["MCP_PARAMS:1:1", "`oci://` before it"]),
        (
            "tools: [oci://ghcr.io/acme/time]",
            &["neither tag nor digest"],
        ),
        ("tools:\n  - /missing/tools\n", &["/missing/tools"]),
    ] {
        let finished = Launch::serve().env("MCP_PARAMS", params).run().await;
        assert_ne!(finished.code, Some(0), "{finished:?}");
        for part in parts {
            assert!(finished.stderr.contains(part), "{finished:?}");
        }
    }
}
