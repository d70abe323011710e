//! What functions of inline Python become: which are tools, what they say of themselves, what they get and give.

use sandglass_tests::mcp::{Way, failure};
use sandglass_tests::{Host, Launch};
use serde_json::{Value, json};

async fn serve(source: &str) -> Host {
    Launch::serve()
        .env("MCP_TOOLS_STRING", source)
        .start()
        .await
}

#[tokio::test]
async fn a_tool_is_described_by_its_docstring_and_types() {
    let host = serve(
        "def add(a: int, b: int) -> int:\n    \"\"\"Add two numbers together.\"\"\"\n    return a + b\n",
    ).await;
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
async fn a_function_that_is_cached_is_a_tool() {
    let source = "import functools\n@functools.lru_cache\ndef fib(n: int) -> int:\n    return n if n < 2 else fib(n - 1) + fib(n - 2)\ncached = functools.cache(len)\n";
    let host = serve(source).await;
    assert_eq!(host.tools().await, ["fib"]);
    let answer = host.call("fib", json!({ "n": 50 })).await;
    assert_eq!(answer.json()["result"], 12_586_269_025_u64, "{answer:?}");
}

#[tokio::test]
async fn none_is_a_result_where_its_type_takes_it() {
    let source = r#"
from typing import Literal, Optional

def optional() -> Optional[str]: return None
def union() -> dict | None: return None
def literal() -> Literal["a", None]: return None
def anything() -> object: return None
def text() -> str: return None
"#;
    let host = serve(source).await;
    for tool in ["optional", "union", "literal", "anything"] {
        let answer = host.call(tool, json!({})).await;
        assert_eq!(answer.json(), json!({ "result": null }), "{tool}");
        let answer = Way::Modern.call(&host, tool, json!({})).await;
        assert_eq!(
            answer["structuredContent"],
            json!({ "result": null }),
            "{tool}: {answer}"
        );
    }
    let answer = host.call("text", json!({})).await;
    assert!(answer.error().contains("returned no value"), "{answer:?}");
}

#[tokio::test]
async fn asyncio_runs_where_it_is_called_and_has_no_threads() {
    let source = r#"
import asyncio
import concurrent.futures

async def _later():
    await asyncio.sleep(0.001)
    return 1

def runs() -> int:
    return asyncio.run(_later())

def loops() -> int:
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(_later())
    finally:
        loop.close()

async def thread() -> int:
    return await asyncio.to_thread(len, "abc")

def pool() -> list:
    with concurrent.futures.ThreadPoolExecutor() as threads:
        return list(threads.map(len, ["abc"]))
"#;
    let host = serve(source).await;
    for tool in ["runs", "loops"] {
        let answer = host.call(tool, json!({})).await;
        assert_eq!(answer.json()["result"], 1, "{tool}: {answer:?}");
    }
    for tool in ["thread", "pool"] {
        let answer = host.call(tool, json!({})).await;
        assert!(
            answer.error().contains("there are no threads"),
            "{answer:?}"
        );
    }
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

#[tokio::test]
async fn what_utf8_does_not_have_is_told_all_the_same() {
    let source = r#"
class Speechless(Exception):
    def __str__(self):
        raise RuntimeError

def half(kind: str):
    """A half of a character, which JSON and the contract do not have."""
    half = "x\ud800y"
    if kind == "raised":
        raise ValueError(half)
    if kind == "speechless":
        raise Speechless
    return half if kind == "text" else [half]
"#;
    let host = serve(source).await;
    for (kind, told) in [
        ("raised", "x\\ud800y"),
        ("speechless", "Speechless"),
        ("text", "it holds '\\ud800', which is half a character"),
        ("list", "it holds '\\ud800', which is half a character"),
    ] {
        let answer = host.call("half", json!({ "kind": kind })).await;
        assert!(answer.error().ends_with(told), "{kind}: {answer:?}");
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
