//! Source text from ConfigMaps and Secrets: mounted as files, and through the API. What changes there is served, and
//! what becomes bad leaves the last good one serving.

use sandglass_tests::{
    Host, KubernetesApi, Launch, Mounted, Token, degraded, manifest, refused, serves, well,
};
use serde_json::json;

/// A source in one language: `greet` and, later, `part`; and one that cannot be read.
struct Language {
    extension: &'static str,
    greet: &'static str,
    part: &'static str,
    broken: &'static str,
}

const LANGUAGES: [Language; 2] = [
    Language {
        extension: "py",
        greet: "def greet(name: str) -> str:\n    return f'Hello, {name}!'\n",
        part: "def part(name: str) -> str:\n    return f'Goodbye, {name}!'\n",
        broken: "def part(name: str -> str:\n",
    },
    Language {
        extension: "js",
        greet: "/** @param {string} name */\nexport const greet = (name) => `Hello, ${name}!`;\n",
        part: "/** @param {string} name */\nexport const part = (name) => `Goodbye, ${name}!`;\n",
        broken: "export const part = (name => ;\n",
    },
];

type Put = fn(&KubernetesApi, &str, &str, &[(&str, &[u8])]);

/// What a tool of one of the sources answers.
async fn told(host: &Host, tool: &str) -> String {
    let answer = host.call(tool, json!({ "name": "Ada" })).await;
    answer.json()["result"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

#[tokio::test]
async fn the_keys_of_a_mounted_folder_are_served_and_followed() {
    for language in LANGUAGES {
        let file = format!("tools.{}", language.extension);
        for whole_folder in [false, true] {
            let mut mounted = Mounted::default();
            mounted.set(&[(&file, language.greet.as_bytes())]);
            let source = if whole_folder {
                mounted.path().to_owned()
            } else {
                mounted.key(&file)
            };
            let host = Host::start(&manifest(&json!([source]))).await;
            assert_eq!(told(&host, "greet").await, "Hello, Ada!", "{source:?}");
            mounted.set(&[(&file, language.part.as_bytes())]);
            serves(&host, &["part"]).await;
            assert_eq!(told(&host, "part").await, "Goodbye, Ada!", "{source:?}");
            mounted.set(&[(&file, language.broken.as_bytes())]);
            let reason = degraded(&host).await;
            assert!(
                reason.contains(&format!("{file}, line 1, column")),
                "{reason}"
            );
            assert_eq!(told(&host, "part").await, "Goodbye, Ada!", "{source:?}");
            mounted.set(&[(&file, language.greet.as_bytes())]);
            serves(&host, &["greet"]).await;
            well(&host).await;
        }
    }
}

#[tokio::test]
async fn the_keys_of_config_maps_and_secrets_are_served_and_followed() {
    let api = KubernetesApi::start().await;
    for language in LANGUAGES {
        let key = format!("tools.{}", language.extension);
        for (kind, put) in [
            ("configmap", KubernetesApi::put_config_map as Put),
            ("secret", KubernetesApi::put_secret),
        ] {
            let name = format!("{kind}-{}", language.extension);
            let set = |text: &str| put(&api, "tools", &name, &[(&key, text.as_bytes())]);
            set(language.greet);
            let source = format!("{kind}://tools/{name}/{key}");
            let host = Launch::manifest(&manifest(&json!([source])))
                .env("KUBECONFIG", api.kubeconfig(Token::Reader))
                .start()
                .await;
            assert_eq!(told(&host, "greet").await, "Hello, Ada!", "{source}");
            set(language.part);
            serves(&host, &["part"]).await;
            set(language.broken);
            let reason = degraded(&host).await;
            assert!(
                reason.contains(&format!("{key}, line 1, column")),
                "{reason}"
            );
            assert_eq!(told(&host, "part").await, "Goodbye, Ada!", "{source}");
            set(language.greet);
            serves(&host, &["greet"]).await;
            well(&host).await;
        }
    }
}

#[tokio::test]
async fn a_key_without_an_extension_says_its_language_beside_it() {
    let api = KubernetesApi::start().await;
    let [python, _] = LANGUAGES;
    api.put_secret("tools", "code", &[("MCP_TOOLS", python.greet.as_bytes())]);
    let source = "secret://tools/code/MCP_TOOLS";
    let launch = |tools| {
        Launch::manifest(&manifest(&tools)).env("KUBECONFIG", api.kubeconfig(Token::Reader))
    };
    let host = launch(json!([{ "source": source, "language": "python" }]))
        .start()
        .await;
    assert_eq!(told(&host, "greet").await, "Hello, Ada!");
    // A line of the text would be one of a secret.
    let error = refused(launch(json!([source])).arg("--strict")).await;
    assert!(
        error.contains("`language: python`") && !error.contains("Hello"),
        "{error}"
    );
}
