//! Inline JavaScript: each function that a source exports is a tool, wherever the source lies.

use sandglass_tests::mcp::{Way, failure, text};
use sandglass_tests::{Folder, Host, Launch, Server, eventually, manifest, root};
use serde_json::{Value, json};

const CALCULATOR: &str = "
/**
 * Adds two numbers.
 * @param {number} a - The first.
 * @param {number} b - The second.
 * @returns {number} their sum
 */
export function add(a, b) {
  return a + b;
}

/** Divides a by b. */
export const divide = (a, b = 1) => {
  if (b === 0) throw new Error('division by zero');
  return { quotient: a / b };
};

function helper() {}
";

async fn serve(source: &str) -> Host {
    Host::start(&manifest(
        &json!([{ "javascript": source, "name": "inline" }]),
    ))
    .await
}

/// What is said of a source that is left out.
async fn refused(tools: &Value) -> String {
    let launch = Launch::manifest(&manifest(tools)).arg("--strict");
    let finished = launch.run().await;
    assert_eq!(finished.code, Some(3), "{finished:?}");
    finished.stderr
}

#[tokio::test]
async fn exported_functions_are_called_over_rest_and_mcp() {
    let host = serve(CALCULATOR).await;
    assert_eq!(host.tools().await, ["add", "divide"]);
    let answer = host.call("add", json!({ "a": 20, "b": 22 })).await;
    assert_eq!(answer.json(), json!({ "result": 42 }));
    for way in Way::ALL {
        let result = way.call(&host, "divide", json!({ "a": 3, "b": 2 })).await;
        assert_eq!(
            result["structuredContent"],
            json!({ "quotient": 1.5 }),
            "{way:?} {result}"
        );
        let result = way.call(&host, "divide", json!({ "a": 3, "b": 0 })).await;
        assert_eq!(failure(&result), "division by zero", "{way:?}");
        let result = way.call(&host, "add", json!({ "a": "x", "b": 0 })).await;
        assert!(failure(&result).contains('a'), "{way:?} {result}");
        let result = way.call(&host, "add", json!({ "a": 1, "b": 1 })).await;
        assert_eq!(text(&result), "2", "{way:?}");
    }
}

#[tokio::test]
async fn types_have_the_schemas_that_are_written_down() {
    let folder = root().join("tests/fixtures/javascript");
    let host = Host::start(&manifest(&json!([folder.join("types.js")]))).await;
    let listed = Way::Bare
        .request(&host, "tools/list", json!({}))
        .await
        .result();
    let tools = listed["tools"].as_array().expect("a list");
    let said: serde_json::Map<String, Value> = tools
        .iter()
        .map(|tool| {
            let name = tool["name"].as_str().expect("a name").to_owned();
            let said = json!({
                "description": tool["description"],
                "input": tool["inputSchema"],
                "output": tool["outputSchema"],
            });
            (name, said)
        })
        .collect();
    let expected = std::fs::read_to_string(folder.join("types.json")).expect("the schemas");
    let expected: Value = serde_json::from_str(&expected).expect("JSON");
    assert_eq!(
        Value::Object(said.clone()),
        expected,
        "{}",
        Value::Object(said)
    );
}

#[tokio::test]
async fn arguments_come_as_they_are_and_defaults_apply() {
    let source = root().join("tests/fixtures/javascript/types.js");
    let host = Host::start(&manifest(&json!([source]))).await;
    let result = |tool: &'static str, arguments: Value| {
        let host = &host;
        async move { host.call(tool, arguments).await.json()["result"].take() }
    };
    assert_eq!(
        result("optional", json!({ "needed": "x", "nullable": null })).await,
        json!([
            "x",
            "undefined",
            "undefined",
            "undefined",
            "null",
            "C",
            10,
            -0.5,
            []
        ])
    );
    let arguments = json!({
        "numbers": [1, 2], "mixed": ["a", 1], "flags": { "x": true }, "point": { "x": 0.5 },
        "user": { "name": "Ada" }, "free": { "any": [] },
    });
    assert_eq!(
        result("nested", arguments).await,
        json!({ "sum": 3.5, "names": ["Ada"] })
    );
    assert_eq!(
        result("untyped", json!({ "a": 1, "b": [2] })).await,
        json!([1, [2]])
    );
    assert_eq!(result("silent", json!({})).await, Value::Null);
}

#[tokio::test]
async fn fetch_and_the_environment_are_what_is_granted() {
    let server = Server::start().await;
    let text = "
        export async function get(url) {
          const answers = await Promise.all([url, url + '?again'].map((url) => fetch(url, {
            method: 'POST', headers: { 'X-Unit': process.env.UNIT }, body: new URLSearchParams({ q: 'a b' }),
          })));
          return Promise.all(answers.map(async (answer) => [answer.status, answer.ok, await answer.text()]));
        }
    ";
    let allow = json!({
        "env": { "UNIT": "metric" },
        "http": [{ "host": "127.0.0.1", "port": server.port(), "private": true }],
    });
    let tools = json!([{ "javascript": text, "allow": allow }]);
    let host = Host::start(&manifest(&tools)).await;
    let answer = host.call("get", json!({ "url": server.url("/x") })).await;
    let one = json!([200, true, "hello"]);
    assert_eq!(
        answer.json(),
        json!({ "result": [one, one] }),
        "{}",
        host.log()
    );
    assert_eq!(server.bytes(), 2 * "q=a+b".len());
    let seen = &server.seen()[0];
    assert_eq!(seen.headers["x-unit"], "metric");
    assert_eq!(
        seen.headers["content-type"],
        "application/x-www-form-urlencoded;charset=UTF-8"
    );
}

#[tokio::test]
async fn what_is_written_to_the_console_is_in_the_hosts_log() {
    let host = serve("export function f() { console.warn('low on', { tea: 1 }); }").await;
    host.call("f", json!({})).await;
    eventually("the log has it", async || {
        host.log().contains("low on {\\\"tea\\\":1}").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_source_that_cannot_be_read_names_file_line_and_mend() {
    let folder = Folder::default();
    let file = folder.write("broken.js", "export function f() {\n  return 1 +;\n}\n");
    let told = refused(&json!([file])).await;
    assert!(
        told.contains("broken.js, line 2, column 13: Unexpected token: `return 1 +;`"),
        "{told}"
    );
    for (text, mend) in [
        (
            "export function f(...args) {}",
            "`f`: inline, line 1: `...args` takes any number of arguments",
        ),
        (
            "\nexport function $f() {}",
            "`$f`: inline, line 2: a tool's name has 1 to 128 letters",
        ),
        (
            "import x from 'left-pad';",
            "inline, line 1, column 1: `left-pad` cannot be imported",
        ),
        (
            "const f = 1;",
            "inline exports no function: write `export` before",
        ),
        (
            "export function f() {}\nnull.x;",
            "inline, line 2: cannot read property 'x' of null",
        ),
        ("let a; let a;\nexport function f() {}", "inline, line 1"),
    ] {
        let told = refused(&json!([{ "javascript": text, "name": "inline" }])).await;
        assert!(told.contains(mend), "{text}: {told}");
    }
}

#[tokio::test]
async fn with_partial_the_functions_that_can_be_tools_are_served() {
    let text = "export function good() { return 1; }\nexport function bad(...args) {}";
    let tools = json!([{ "javascript": text, "name": "inline", "partial": true }]);
    let host = Host::start(&manifest(&tools)).await;
    assert_eq!(host.tools().await, ["good"]);
    assert!(
        host.log()
            .contains("`bad` is left out: inline, line 2: `...args` takes any number"),
        "{}",
        host.log()
    );
}

#[tokio::test]
async fn a_long_answer_is_read_for_little_fuel_and_a_limit_is_named() {
    let server = Server::start().await;
    let text = "
        export async function read(urls) {
          const lengths = [];
          for (const url of urls) lengths.push((await (await fetch(url)).text()).length);
          return lengths;
        }
    ";
    let tools = json!([{
        "javascript": text,
        "allow": { "http": [{ "host": "127.0.0.1", "port": server.port(), "private": true }] },
        // A megabyte of an answer has 50 units of fuel for each byte.
        "limits": { "fuel": 50_000_000, "http": { "requests": 2, "received": "1100KiB" } },
    }]);
    let host = Host::start(&manifest(&tools)).await;
    let (long, short) = (server.url("/bytes?1000000"), server.url("/"));
    let answer = host.call("read", json!({ "urls": [long, short] })).await;
    assert_eq!(
        answer.json(),
        json!({ "result": [1_000_000, 5] }),
        "{}",
        host.log()
    );
    let over = host
        .call("read", json!({ "urls": [short, short, short] }))
        .await;
    let error = over.error();
    assert!(
        error.contains("`limits: { http: { requests: .. } }`"),
        "{error}"
    );
    let longer = server.url("/bytes?2000000");
    let error = host.call("read", json!({ "urls": [longer] })).await.error();
    assert!(
        error.contains("`limits: { http: { received: .. } }`"),
        "{error}"
    );
}

#[tokio::test]
async fn undefined_is_null_where_the_result_may_be_null() {
    let host = serve(
        "
        /**
         * @param {boolean} there
         * @returns {?string} a word
         */
        export function word(there) { if (there) return 'here'; }
        /** @returns {string} a word */
        export function none() {}
        ",
    )
    .await;
    for way in Way::ALL {
        for (there, expected) in [(true, json!("here")), (false, json!(null))] {
            let result = way.call(&host, "word", json!({ "there": there })).await;
            assert_eq!(
                result["structuredContent"],
                json!({ "result": expected }),
                "{way:?} {result}"
            );
        }
        let result = way.call(&host, "none", json!({})).await;
        assert!(
            failure(&result).contains("it has an output schema and returned no value"),
            "{way:?} {result}"
        );
    }
    let answer = host.call("word", json!({ "there": false })).await;
    assert_eq!(answer.json(), json!({ "result": null }));
}
