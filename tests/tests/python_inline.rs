//! Inline Python: each function of a source is a tool, wherever the source lies.

use std::path::{Path, PathBuf};

use sandglass_tests::cluster::guide::{CALCULATOR, STRING_UTILS};
use sandglass_tests::mcp::{Way, text};
use sandglass_tests::{
    Folder, Host, Launch, degraded, manifest, replace, root, serve_python, serves,
};
use serde_json::{Value, json};

/// The examples of the guide of the runtime that this host replaces, unchanged.
const ECHO: &str = r#"
def echo(text: str) -> str:
    """Echo the input text."""
    return f"Echo: {text}"

def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b
"#;
const GREET: &str = r#"
def greet(name: str) -> str:
    """Greet a person by name."""
    return f"Hello, {name}!"

def calculate(expression: str) -> str:
    """Evaluate a math expression."""
    try:
        return str(eval(expression))
    except Exception as e:
        return f"Error: {e}"
"#;

/// The host's line about why it does not start with these tools.
async fn refused(tools: &Value) -> String {
    let finished = Launch::manifest(&manifest(tools))
        .arg("--strict")
        .run()
        .await;
    assert_eq!(finished.code, Some(3), "{finished:?}");
    finished
        .stderr
        .lines()
        .last()
        .unwrap_or_default()
        .to_owned()
}

#[tokio::test]
async fn the_guides_examples_are_served_over_rest_and_mcp() {
    for (source, tools, calls) in [
        (
            ECHO,
            &["add", "echo"][..],
            &[
                ("echo", json!({ "text": "Hello" }), json!("Echo: Hello")),
                ("add", json!({ "a": 2, "b": 3 }), json!(5)),
            ][..],
        ),
        (
            GREET,
            &["calculate", "greet"],
            &[
                ("greet", json!({ "name": "Ada" }), json!("Hello, Ada!")),
                (
                    "calculate",
                    json!({ "expression": "2 ** 100" }),
                    json!("1267650600228229401496703205376"),
                ),
                (
                    "calculate",
                    json!({ "expression": "1 / 0" }),
                    json!("Error: division by zero"),
                ),
            ],
        ),
        (
            CALCULATOR,
            &["add", "divide", "multiply", "subtract"],
            &[
                ("subtract", json!({ "a": 2, "b": 3 }), json!(-1)),
                ("multiply", json!({ "a": 4, "b": 3 }), json!(12)),
                ("divide", json!({ "a": 1, "b": 4 }), json!("0.25")),
                (
                    "divide",
                    json!({ "a": 1, "b": 0 }),
                    json!("Error: Division by zero"),
                ),
            ],
        ),
        (
            STRING_UTILS,
            &["lowercase", "reverse", "uppercase"],
            &[
                ("uppercase", json!({ "text": "grüße" }), json!("GRÜSSE")),
                ("lowercase", json!({ "text": "ÄB" }), json!("äb")),
                ("reverse", json!({ "text": "abc" }), json!("cba")),
            ],
        ),
    ] {
        let host = serve_python(source).await;
        assert_eq!(host.tools().await, tools);
        for (tool, arguments, result) in calls {
            let answer = host.call(tool, arguments.clone()).await;
            assert_eq!(
                (answer.status, &answer.json()["result"]),
                (200, result),
                "{tool}"
            );
            for way in Way::ALL {
                let answer = way.call(&host, tool, arguments.clone()).await;
                assert_eq!(answer["isError"], false, "{answer}");
                assert_eq!(&answer["structuredContent"]["result"], result, "{way:?}");
            }
        }
    }
}

#[tokio::test]
async fn sources_lie_in_files_and_folders_beside_components() {
    let folder = Folder::default();
    folder.write("greetings.py", GREET);
    folder.write("strings.py", STRING_UTILS);
    std::fs::copy(
        sandglass_tests::tool("time"),
        folder.path().join("time.wasm"),
    )
    .expect("it is built");
    let key = folder.write("key", CALCULATOR);
    let whole = manifest(&json!([
        format!("{}/", folder.path().display()),
        { "source": key, "language": "python", "prefix": "calc", "include": ["add"] },
    ]));
    let host = Host::start(&whole).await;
    let tools = host.tools().await;
    for name in ["greet", "reverse", "get_current_time", "calc_add"] {
        assert!(
            tools.iter().any(|tool| tool == name),
            "{name} is not in {tools:?}"
        );
    }
    assert!(
        !tools.iter().any(|tool| tool == "calc_subtract"),
        "{tools:?}"
    );
    let answer = host.call("calc_add", json!({ "a": 1, "b": 2 })).await;
    assert_eq!(answer.json()["result"], 3, "{answer:?}");
}

#[tokio::test]
async fn many_sources_share_one_interpreter() {
    let sources: Vec<_> = (0..100)
        .map(|number| json!({ "python": format!("def tool_{number}() -> int:\n    return {number}\n") }))
        .collect();
    let host = Host::start(&manifest(&json!(sources))).await;
    assert_eq!(host.tools().await.len(), 100);
    let answer = host.call("tool_77", json!({})).await;
    assert_eq!(answer.json()["result"], 77);
    let peak = host.peak_memory();
    assert!(peak < 400 << 20, "{} MiB", peak >> 20);
}

#[tokio::test]
async fn a_source_that_changes_is_served_and_a_bad_one_leaves_the_last_good_one() {
    let folder = Folder::default();
    let file = folder.write("tools.py", "def one() -> int:\n    return 1\n");
    let host = Host::start(&manifest(&json!([file]))).await;
    replace(Path::new(&file), "def two() -> int:\n    return 2\n");
    serves(&host, &["two"]).await;
    replace(Path::new(&file), "def three( -> int:\n    return 3\n");
    let reason = degraded(&host).await;
    assert!(reason.contains("tools.py, line 1, column"), "{reason}");
    assert_eq!(host.call("two", json!({})).await.json()["result"], 2);
}

#[tokio::test]
async fn inline_text_that_becomes_bad_leaves_the_last_good_one_serving() {
    let launch = Launch::manifest(&manifest(
        &json!([{ "python": GREET, "name": "greetings" }]),
    ));
    let file = launch.folder().join("manifest.yaml");
    let host = launch.start().await;
    replace(
        &file,
        manifest(&json!([{ "python": "def greet(:\n", "name": "greetings" }])),
    );
    host.hang_up();
    degraded(&host).await;
    let answer = host.call("greet", json!({ "name": "Ada" })).await;
    assert_eq!(answer.json()["result"], "Hello, Ada!", "{answer:?}");
}

#[tokio::test]
async fn a_source_that_cannot_be_read_names_file_line_and_mend() {
    let folder = Folder::default();
    for (source, parts) in [
        (
            "def add(a: int, b: int) -> int:\n    return a +\n",
            &["tools.py, line 2, column 15: invalid syntax: `return a +`"][..],
        ),
        ("def a():\n  x\n y\n", &["tools.py, line 3, column", "`y`"]),
        (
            "import requests\ndef a(): pass\n",
            &[
                "tools.py, line 1: there is no module `requests` here",
                "json, ",
                "urllib",
                "xml",
            ],
        ),
        (
            "x = 1 / 0\ndef a(): pass\n",
            &["tools.py, line 1: ZeroDivisionError: division by zero: `x = 1 / 0`"],
        ),
        (
            "import os\nKEY = os.environ['KEY']\ndef a(): pass\n",
            &[
                "tools.py, line 2: KeyError: 'KEY'",
                "use `os.environ.get(..)`",
            ],
        ),
        (
            "def a(*rest): pass\n",
            &[
                "`a`: tools.py, line 1: ",
                "instead of `*rest` write `rest: list`",
            ],
        ),
        (
            "\ndef a(**rest): pass\n",
            &[
                "`a`: tools.py, line 2: ",
                "instead of `**rest` write `rest: dict`",
            ],
        ),
        (
            "def größe(): pass\n",
            &["`größe`: tools.py, line 1: a name has", "rename it"],
        ),
        (
            "def a(x: Unknown): pass\n",
            &[
                "`a`: ",
                "an annotation names `Unknown`",
                "define it, or import it",
            ],
        ),
        (
            "import re\ndef a(x: re.Pattern): pass\n",
            &[
                "`a`: ",
                "parameter `x`: `Pattern` is not a type that JSON can have",
                "use str, int",
            ],
        ),
        (
            "x = 1\n",
            &[
                "tools.py defines no function",
                "each `def` at the top level is a tool",
            ],
        ),
        (
            "x = 1\ndef a():\n  await x\n",
            &["tools.py, line 3, column 3: 'await' outside async function: `await x`"],
        ),
        (
            "return 1\n",
            &["tools.py, line 1, column 1: 'return' outside function: `return 1`"],
        ),
        (
            "def a(x: [int]): pass\n",
            &[
                "`a`: tools.py, line 1: ",
                "parameter `x`: `[int]` is a value and no type: write `list[int]`",
            ],
        ),
        (
            "def a() -> {'b': int}: pass\n",
            &[
                "`a`: tools.py, line 1: its result: `{'b': int}` is a value and no type: write `dict[str, T]`",
            ],
        ),
        (
            "from dataclasses import dataclass\n@dataclass\nclass D:\n    a: Foo = 1\ndef a(x: D): pass\n",
            &[
                "`a`: tools.py, line 5: parameter `x`: `D`: an annotation names `Foo`, which is not defined",
            ],
        ),
        (
            "class Odd:\n    def __iter__(self): raise KeyError('k')\ndef a(x=Odd()): pass\n",
            &["`a`: tools.py, line 3: KeyError: 'k'"],
        ),
        ("while True: pass\n", &["Fuel limit exceeded"]),
        (
            "import sys; sys.exit(1)\n",
            &["tools.py, line 1: SystemExit"],
        ),
    ] {
        let file = folder.write("tools.py", source);
        let told = refused(&json!([file])).await;
        for part in parts {
            assert!(told.contains(part), "{part} is not in {told}");
        }
    }
    let file = folder.write("tools.py", b"def a(): return '\xff'\n");
    let told = refused(&json!([file])).await;
    assert!(
        told.contains("not UTF-8 (byte 17): save it as UTF-8"),
        "{told}"
    );
    let file = folder.write("tools", ECHO);
    let told = refused(&json!([{ "source": file }])).await;
    assert!(told.contains("`language: python`"), "{told}");
}

#[tokio::test]
async fn with_partial_the_functions_that_can_be_tools_are_served() {
    let source = format!("{ECHO}\ndef bad(*rest): pass\n");
    let told = refused(&json!([{ "python": source }])).await;
    assert!(told.contains("`bad`: python, line 10"), "{told}");
    let host = Host::start(&manifest(
        &json!([{ "python": source, "name": "some", "partial": true }]),
    ))
    .await;
    assert_eq!(host.tools().await, ["add", "echo"]);
    let ready = host.manage("/ready").await.body;
    assert!(ready.contains("`bad` is left out"), "{ready}");
}

#[tokio::test]
async fn the_containers_own_command_starts_the_server() {
    let launch = Launch::serve();
    let built = std::env::var_os("SANDGLASS_BIN")
        .map_or_else(|| root().join("target/debug/sandglass"), PathBuf::from);
    let python = launch.folder().join("python");
    std::os::unix::fs::symlink(built, &python).expect("the folder is ours");
    let launch = Launch::python(&python).env("MCP_TOOLS_STRING", ECHO);
    let host = launch.start().await;
    let answer = host.call("echo", json!({ "text": "Hello" })).await;
    assert_eq!(
        text(
            &Way::Bare
                .call(&host, "echo", json!({ "text": "Hello" }))
                .await
        ),
        "Echo: Hello"
    );
    assert_eq!(answer.json()["result"], "Echo: Hello");
}

#[tokio::test]
async fn a_manifests_tools_and_those_of_the_environment_stand_beside_each_other() {
    let launch = Launch::manifest(&manifest(&json!([sandglass_tests::tool("calculator")])));
    let host = launch.env("MCP_TOOLS_STRING", GREET).start().await;
    let tools = host.tools().await;
    assert!(tools.iter().any(|tool| tool == "greet"), "{tools:?}");
    assert!(tools.len() > 2, "{tools:?}");
}
