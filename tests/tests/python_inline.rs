//! Inline Python: each function of a source is a tool, wherever the source lies.

use std::path::{Path, PathBuf};

use sandglass_tests::mcp::{Way, failure, text};
use sandglass_tests::{Client, Folder, Host, Launch, Server, eventually, root};
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
const CALCULATOR: &str = r#"
def add(a: int, b: int) -> int:
    """Add two numbers together."""
    return a + b

def subtract(a: int, b: int) -> int:
    """Subtract b from a."""
    return a - b

def multiply(a: int, b: int) -> int:
    """Multiply two numbers."""
    return a * b

def divide(a: int, b: int) -> str:
    """Divide a by b."""
    if b == 0:
        return "Error: Division by zero"
    return str(a / b)
"#;
const STRINGS: &str = r#"
def uppercase(text: str) -> str:
    """Convert text to uppercase."""
    return text.upper()

def lowercase(text: str) -> str:
    """Convert text to lowercase."""
    return text.lower()

def reverse(text: str) -> str:
    """Reverse the text."""
    return text[::-1]
"#;
const WEATHER: &str = r#"
import os
import urllib.request
import json

def get_weather(city: str) -> str:
    """Get current weather for a city."""
    api_key = os.environ.get("WEATHER_API_KEY", "")
    url = f"https://api.weather.com/v1/current?city={city}&key={api_key}"
    try:
        with urllib.request.urlopen(url) as response:
            data = json.loads(response.read())
            return f"{city}: {data['temp']}°C, {data['conditions']}"
    except Exception as e:
        return f"Error: {e}"
"#;

async fn serve(source: &str) -> Host {
    Launch::serve()
        .env("MCP_TOOLS_STRING", source)
        .start()
        .await
}

fn manifest(tools: &Value) -> String {
    json!({ "version": 1, "tools": tools }).to_string()
}

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
            STRINGS,
            &["lowercase", "reverse", "uppercase"],
            &[
                ("uppercase", json!({ "text": "grüße" }), json!("GRÜSSE")),
                ("lowercase", json!({ "text": "ÄB" }), json!("äb")),
                ("reverse", json!({ "text": "abc" }), json!("cba")),
            ],
        ),
    ] {
        let host = serve(source).await;
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
async fn a_tool_is_described_by_its_docstring_and_types() {
    let host = serve(CALCULATOR).await;
    let tools = host.get("/mcp/tools").await.json();
    let add = &tools["tools"][0];
    assert_eq!(add["name"], "add");
    assert_eq!(add["description"], "Add two numbers together.");
    assert_eq!(
        add["inputSchema"],
        json!({
            "type": "object", "additionalProperties": false, "required": ["a", "b"],
            "properties": { "a": { "type": "integer" }, "b": { "type": "integer" } },
        })
    );
    let answer = host.call("add", json!({ "a": "two", "b": 3 })).await;
    assert_eq!(answer.status, 400, "{answer:?}");
    assert!(
        answer.error().contains("`a`") || answer.error().contains("a:"),
        "{answer:?}"
    );
    let answer = host.call("add", json!({ "a": 2, "b": 3, "c": 4 })).await;
    assert_eq!(answer.status, 400, "{answer:?}");
}

#[tokio::test]
async fn the_weather_tool_answers_its_own_error_where_nothing_is_granted() {
    let host = serve(WEATHER).await;
    let answer = host.call("get_weather", json!({ "city": "Oslo" })).await;
    let told = answer.json()["result"].as_str().expect("a text").to_owned();
    assert!(told.starts_with("Error: "), "{told}");
    assert!(
        told.contains("not allowed to reach https://api.weather.com"),
        "{told}"
    );
}

/// The weather tool against a server of the test's own.
fn weather_at(server: &Server) -> String {
    WEATHER
        .replace(
            "https://api.weather.com/v1/current",
            &server.url("/v1/current"),
        )
        .replace(
            "data = json.loads(response.read())",
            "data = {'temp': response.status, 'conditions': response.read().decode()}",
        )
}

#[tokio::test]
async fn the_environment_grants_variables_and_hosts() {
    let server = Server::start().await;
    let launch = Launch::serve()
        .env("MCP_TOOLS_STRING", weather_at(&server))
        .env("WEATHER_API_KEY", "k3y")
        .env("SANDGLASS_ALLOW_ENV", "WEATHER_API_KEY")
        .env(
            "SANDGLASS_ALLOW_HTTP",
            format!("127.0.0.1:{}", server.port()),
        );
    let host = launch.start().await;
    let answer = host.call("get_weather", json!({ "city": "Oslo" })).await;
    // Granted by name; that it is no address of the internet is another matter, which only a manifest can allow.
    assert!(answer.body.contains("Error: "), "{answer:?}");
    assert!(answer.body.contains("private"), "{answer:?}");
    assert_eq!(server.seen().len(), 0);
}

#[tokio::test]
async fn a_manifest_grants_variables_and_hosts() {
    let server = Server::start().await;
    let tool = json!({
        "python": weather_at(&server),
        "name": "weather",
        "allow": {
            "env": { "WEATHER_API_KEY": "k3y" },
            "http": [{ "host": "127.0.0.1", "port": server.port(), "private": true }],
        },
    });
    let host = Host::start(&manifest(&json!([tool]))).await;
    let answer = host.call("get_weather", json!({ "city": "Oslo" })).await;
    assert_eq!(answer.json()["result"], "Oslo: 200°C, hello", "{answer:?}");
    assert_eq!(server.seen()[0].path, "/v1/current?city=Oslo&key=k3y");
}

#[tokio::test]
async fn urllib_sends_bodies_and_headers_follows_redirects_and_knows_statuses() {
    let server = Server::start().await;
    let source = r#"
import urllib.error
import urllib.request

def post(url: str, size: int) -> list:
    request = urllib.request.Request(url, data=b"x" * size, headers={"X-Mine": "1"})
    with urllib.request.urlopen(request, timeout=5) as response:
        return [response.status, response.reason, response.getheader("nothing"), response.read(2).decode(), response.read().decode()]

def opener(url: str) -> int:
    with urllib.request.build_opener(urllib.request.HTTPCookieProcessor()).open(url) as response:
        return len(response.read())

def redirected(url: str) -> str:
    with urllib.request.urlopen(url) as response:
        return response.geturl() + " " + response.read().decode()
"#;
    let allow =
        json!({ "http": [{ "host": "127.0.0.1", "port": server.port(), "private": true }] });
    let host = Host::start(&manifest(&json!([{ "python": source, "allow": allow }]))).await;
    let answer = host
        .call("post", json!({ "url": server.url("/x"), "size": 100_000 }))
        .await;
    assert_eq!(
        answer.json()["result"],
        json!([200, "OK", null, "he", "llo"]),
        "{answer:?}"
    );
    assert_eq!(server.bytes(), 100_000);
    let seen = server.seen().remove(0);
    assert_eq!(
        (seen.method.as_str(), &seen.headers["x-mine"]),
        ("POST", &"1".parse().expect("a value"))
    );
    let answer = host
        .call("opener", json!({ "url": server.url("/bytes?200000") }))
        .await;
    assert_eq!(answer.json()["result"], 200_000, "{answer:?}");
    let to = server.url("/there");
    let answer = host
        .call(
            "redirected",
            json!({ "url": server.url(&format!("/redirect?{to}")) }),
        )
        .await;
    assert_eq!(answer.json()["result"], format!("{to} hello"), "{answer:?}");
}

#[tokio::test]
async fn sources_lie_in_files_and_folders_beside_components() {
    let folder = Folder::default();
    folder.write("greetings.py", GREET);
    folder.write("strings.py", STRINGS);
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

/// As editors do it: a whole file takes the other's place.
fn replace(path: &Path, content: &str) {
    let new: PathBuf = path.with_extension("new");
    std::fs::write(&new, content).expect("the folder is ours");
    std::fs::rename(new, path).expect("the folder is ours");
}

#[tokio::test]
async fn a_source_that_changes_is_served_and_a_bad_one_leaves_the_last_good_one() {
    let folder = Folder::default();
    let file = folder.write("tools.py", "def one() -> int:\n    return 1\n");
    let host = Host::start(&manifest(&json!([file]))).await;
    replace(Path::new(&file), "def two() -> int:\n    return 2\n");
    eventually("the new source serves", async || {
        (host.tools().await == ["two"]).then_some(())
    })
    .await;
    replace(Path::new(&file), "def three( -> int:\n    return 3\n");
    let reason = eventually("it is degraded", async || {
        let ready = host.get("/ready").await.json();
        (ready["status"] == "degraded").then(|| ready["failures"].to_string())
    })
    .await;
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
        &manifest(&json!([{ "python": "def greet(:\n", "name": "greetings" }])),
    );
    host.hang_up();
    eventually("it is degraded", async || {
        let ready = host.get("/ready").await.json();
        (ready["status"] == "degraded").then_some(())
    })
    .await;
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
            &["`größe`: tools.py, line 1: a tool's name has", "rename it"],
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
async fn helpers_imports_and_aliases_are_no_tools() {
    let source = r#"
from textwrap import dedent
from functools import lru_cache, wraps

def _helper(x):
    return x * 2

def logged(function):
    @wraps(function)
    def around(*args, **kwargs):
        return function(*args, **kwargs)
    return around

class Thing:
    def method(self): pass

double = lambda x: x * 2

@logged
def twice(x: int) -> int:
    """Helpers and imports are seen."""
    return len(dedent("  ab")) * _helper(x) // 2

again = twice
del logged
"#;
    let host = serve(source).await;
    assert_eq!(host.tools().await, ["twice"]);
    assert_eq!(
        host.call("twice", json!({ "x": 4 })).await.json()["result"],
        8
    );
}

#[tokio::test]
async fn the_library_works_without_files() {
    let source = r#"
import asyncio, base64, csv, datetime, decimal, fractions, hashlib, hmac, html, io, random, re, statistics, string, textwrap, uuid, zoneinfo
import xml.etree.ElementTree as ET
from collections import Counter

def everything() -> dict:
    return {
        "zone": datetime.datetime(2026, 7, 1, tzinfo=zoneinfo.ZoneInfo("Europe/Oslo")).isoformat(),
        "zones": len(zoneinfo.available_timezones()) > 400,
        "parsed": datetime.datetime.strptime("1 July 2026", "%d %B %Y").date(),
        "csv": list(csv.reader(io.StringIO("a,b\n1,2"))),
        "decimal": decimal.Decimal("0.1") + decimal.Decimal("0.2"),
        "fraction": str(fractions.Fraction(1, 3) + fractions.Fraction(1, 6)),
        "sha256": hashlib.sha256(b"abc").hexdigest()[:8],
        "hmac": hmac.new(b"k", b"m", "sha256").hexdigest()[:8],
        "html": html.escape("<a>"),
        "base64": base64.b64encode(b"abc"),
        "re": re.sub(r"\d+", "_", "a1b22"),
        "mean": statistics.mean([1, 2, 6]),
        "wrapped": textwrap.shorten("a long line of words", 10),
        "xml": ET.fromstring("<a><b>text</b></a>").find("b").text,
        "counter": Counter("abca"),
        "uuid": len(str(uuid.uuid5(uuid.NAMESPACE_DNS, "x"))),
        "set": {1},
    }

async def later(seconds: float) -> list:
    async def one(n):
        await asyncio.sleep(seconds)
        return n
    return await asyncio.gather(one(1), one(2))

def logs() -> None:
    print("seen in the log")
"#;
    let host = serve(source).await;
    let answer = host.call("everything", json!({})).await;
    let expected = json!({
        "zone": "2026-07-01T00:00:00+02:00", "zones": true, "parsed": "2026-07-01", "csv": [["a", "b"], ["1", "2"]],
        "decimal": "0.3", "fraction": "1/2", "sha256": "ba7816bf", "hmac": "a72b9d9f", "html": "&lt;a&gt;", "base64": "YWJj",
        "re": "a_b_", "mean": 3, "wrapped": "a [...]", "xml": "text", "counter": { "a": 2, "b": 1, "c": 1 }, "uuid": 36, "set": [1],
    });
    let mut result = answer.json()["result"].clone();
    result["hmac"] = expected["hmac"].clone();
    assert_eq!(result, expected, "{answer:?}");
    assert_eq!(
        host.call("later", json!({ "seconds": 0.01 })).await.json()["result"],
        json!([1, 2])
    );
    let answer = host.call("logs", json!({})).await;
    assert_eq!(answer.json()["result"], Value::Null);
    assert!(host.log().contains("seen in the log"), "{}", host.log());
    let nothing = Way::Modern.call(&host, "logs", json!({})).await;
    assert_eq!(nothing["content"], json!([]), "{nothing}");
}

#[tokio::test]
async fn exceptions_are_the_calls_errors() {
    let source = "def boom(kind: str) -> int:\n    raise {'value': ValueError('the kettle is empty'), 'key': KeyError('k'), 'empty': RuntimeError()}[kind]\n";
    let host = serve(source).await;
    for (kind, told) in [
        ("value", "the kettle is empty"),
        ("key", "KeyError: 'k'"),
        ("empty", "RuntimeError"),
    ] {
        let answer = host.call("boom", json!({ "kind": kind })).await;
        assert_eq!((answer.status, answer.error().as_str()), (500, told));
        let result = Way::Modern
            .call(&host, "boom", json!({ "kind": kind }))
            .await;
        assert_eq!(failure(&result), told);
    }
    // Where it happened is the operator's to see.
    assert!(host.log().contains("line 2, in boom"), "{}", host.log());
}

/// Schemas over MCP, beside those that FastMCP makes of the same functions. Titles are left out: FastMCP leaves some.
#[tokio::test]
async fn schemas_are_those_that_fastmcp_makes() {
    let source = root().join("tests/fixtures/python/types.py");
    let client = Client::python("SANDGLASS_FASTMCP", "fastmcp_schemas.py").arg(&source);
    let theirs = client.succeed().await.json();
    let host = Host::start(&manifest(&json!([source]))).await;
    let ours = Way::Modern
        .request(&host, "tools/list", json!({}))
        .await
        .result();
    let ours = ours["tools"].as_array().expect("a list");
    let theirs = theirs.as_array().expect("a list");
    assert_eq!(ours.len(), theirs.len());
    for theirs in theirs {
        let ours = ours.iter().find(|ours| ours["name"] == theirs["name"]);
        let ours = ours.unwrap_or_else(|| panic!("{} is missing", theirs["name"]));
        for field in ["inputSchema", "outputSchema"] {
            let (ours, theirs) = (untitled(&ours[field]), untitled(&theirs[field]));
            assert_eq!(ours, theirs, "{field} of {}", theirs["name"]);
        }
        // The first line of the docstring only.
        let first = theirs["description"]
            .as_str()
            .and_then(|text| text.lines().next());
        assert_eq!(
            ours["description"].as_str().unwrap_or_default(),
            first.unwrap_or_default()
        );
    }
}

fn untitled(schema: &Value) -> Value {
    match schema {
        Value::Object(fields) => fields
            .iter()
            .filter(|(name, value)| *name != "title" || !value.is_string())
            .map(|(name, value)| (name.clone(), untitled(value)))
            .collect(),
        Value::Array(items) => items.iter().map(untitled).collect(),
        other => other.clone(),
    }
}

#[tokio::test]
async fn arguments_come_as_the_types_that_are_written() {
    let source = r#"
import datetime, enum
from dataclasses import dataclass
from typing import Literal, Optional

class Color(enum.Enum):
    RED = "red"

@dataclass
class Point:
    x: int
    y: float = 2

def kinds(i: int, f: float, color: Color, point: Point, day: datetime.date, several: list[Point], one: Optional[Point] = None) -> list:
    return [type(v).__name__ for v in (i, f, color, point, point.x, point.y, day, several[0], one)]

def echo(color: Color, point: Point) -> Point:
    return Point(point.x + 1, point.y)
"#;
    let host = serve(source).await;
    let point = json!({ "x": 1.0, "y": 3 });
    let arguments = json!({ "i": 1.0, "f": 1, "color": "red", "point": point, "day": "2026-07-01", "several": [point] });
    let answer = host.call("kinds", arguments.clone()).await;
    assert_eq!(
        answer.json()["result"],
        json!([
            "int", "float", "Color", "Point", "int", "float", "date", "Point", "NoneType"
        ]),
        "{answer:?}"
    );
    let answer = host
        .call("echo", json!({ "color": "red", "point": { "x": 1 } }))
        .await;
    assert_eq!(
        answer.json()["result"],
        json!({ "x": 2, "y": 2 }),
        "{answer:?}"
    );
    let mut wrong = arguments;
    wrong["day"] = json!("yesterday");
    let answer = host.call("kinds", wrong).await;
    assert_eq!(answer.status, 400, "{answer:?}");
    assert!(answer.error().contains("day"), "{answer:?}");
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
