//! Components that know nothing of tools: their exported functions are served with JSON made of their types.

use std::time::Duration;

use sandglass_tests::mcp::{Way, failure, text};
use sandglass_tests::{Folder, Host, Launch, foreign, guest};
use serde_json::{Value, json};

const PREFIX: &str = "test_shapes_values_0_1_0_";

async fn host() -> Host {
    Host::start(&format!(
        "version: 1\ndefaults: {{ limits: {{ timeout: 60s, fuel: 100_000_000 }} }}\ntools:\n  - file:{}\n",
        guest("shapes")
    ))
    .await
}

fn tool(function: &str) -> String {
    format!("{PREFIX}{function}")
}

/// Every type once.
fn everything() -> Value {
    json!({
        "yes": true,
        "numbers": {
            "a": u8::MAX, "b": u16::MAX, "c": u32::MAX, "d": u64::MAX,
            "e": i8::MIN, "f": i16::MIN, "g": i32::MIN, "h": i64::MIN,
        },
        "single": 0.1,
        "double": -1.5e300,
        "letter": "\u{1f980}",
        "text": "a \"quoted\"\nline",
        "bytes": [0, 255],
        "pair": ["x", 7],
        "figure": {"tag": "polygon", "val": [{"x": 1, "y": -1}]},
        "colour": "green",
        "rights": {"read": true, "write": false, "run": true},
        "maybe": 3,
        "twice": {"some": null},
        "outcome": {"err": "no"},
        "bare": {"ok": null},
    })
}

#[tokio::test]
async fn every_type_goes_to_a_guest_and_back() {
    let host = host().await;
    let value = everything();
    let arguments = json!({"value": value});
    let answer = host.call(&tool("same"), arguments.clone()).await;
    assert_eq!(
        (answer.status, answer.json()),
        (200, json!({"result": value}))
    );
    for way in Way::ALL {
        let result = way.call(&host, &tool("same"), arguments.clone()).await;
        assert_eq!(result["structuredContent"], value, "{way:?} {result}");
    }
}

#[tokio::test]
async fn each_form_is_called_over_rest_and_mcp() {
    let host = host().await;
    for (function, arguments, expected) in [
        ("add", json!({"a": u64::MAX, "b": 0}), json!(u64::MAX)),
        ("negate", json!({"n": i64::MIN}), json!(i64::MIN)),
        ("negate", json!({"n": 4.0}), json!(-4)),
        ("halve", json!({"n": 5}), json!(2.5)),
        ("halve", json!({"n": 0}), json!("NaN")),
        ("single", json!({"n": 0.1}), json!(0.1)),
        ("upper", json!({"letter": "ä"}), json!("Ä")),
        (
            "describe",
            json!({"what": {"tag": "nothing"}}),
            json!("nothing"),
        ),
        (
            "describe",
            json!({"what": {"tag": "circle", "val": 2.5}}),
            json!("a circle of 2.5"),
        ),
        ("next-colour", json!({"before": "blue"}), json!("red")),
        (
            "invert",
            json!({"which": {"write": true}}),
            json!({"read": true, "write": false, "run": true}),
        ),
        ("sum", json!({"numbers": [1, 2, 255]}), json!(258)),
        ("swap", json!({"pair": ["x", true]}), json!([true, "x"])),
        ("greet", json!({"first-name": "Ada"}), json!("Hello, Ada!")),
        (
            "greet",
            json!({"first-name": "Ada", "title": null}),
            json!("Hello, Ada!"),
        ),
        (
            "greet",
            json!({"first-name": "Ada", "title": "Lady"}),
            json!("Hello, Lady Ada!"),
        ),
        ("find", json!({"text": "abc", "letter": "c"}), json!(2)),
        ("find", json!({"text": "abc", "letter": "z"}), Value::Null),
        ("unwrap", json!({"outcome": {"ok": 5}}), json!("5")),
        ("divide", json!({"a": 7, "b": 2}), json!(3)),
        ("nothing", json!({}), Value::Null),
        ("refuse", json!({"reason": ""}), Value::Null),
    ] {
        let answer = host.call(&tool(function), arguments.clone()).await;
        assert_eq!(
            (answer.status, answer.json()),
            (200, json!({"result": expected})),
            "{function} {arguments}"
        );
        let result = Way::Bare.call(&host, &tool(function), arguments).await;
        assert_eq!(result["isError"], false, "{function} {result}");
        let structured = &result["structuredContent"];
        let value = structured.get("result").unwrap_or(structured);
        assert_eq!(value, &expected, "{function} {result}");
    }
    let answer = host.call("version", json!({})).await;
    assert_eq!(answer.json(), json!({"result": "0.1.0"}), "at the root");
}

#[tokio::test]
async fn an_error_of_a_result_type_is_the_tools_failure() {
    let host = host().await;
    for (function, arguments, words) in [
        ("refuse", json!({"reason": "not today"}), "not today"),
        (
            "divide",
            json!({"a": 1, "b": 0}),
            r#"{"tag":"division-by-zero"}"#,
        ),
        (
            "divide",
            json!({"a": i64::MIN, "b": -1}),
            r#"{"tag":"too-large","val":-9223372036854775808}"#,
        ),
        ("fail", json!({}), "The tool failed without saying why"),
    ] {
        let answer = host.call(&tool(function), arguments.clone()).await;
        assert_eq!(
            (answer.status, answer.json()),
            (500, json!({"error": words})),
            "{function}"
        );
        let result = Way::Bare.call(&host, &tool(function), arguments).await;
        assert_eq!(failure(&result), words, "{function}");
    }
}

#[tokio::test]
async fn a_wrong_argument_is_named() {
    let host = host().await;
    for (function, arguments, place) in [
        ("add", json!({"a": 1}), "`b`"),
        ("add", json!({"a": 1, "b": -1}), "`b`"),
        ("add", json!({"a": 1, "b": 1.5}), "`b`"),
        (
            "add",
            json!({"a": 1, "b": 18_446_744_073_709_551_616.0}),
            "`b`",
        ),
        ("add", json!({"a": 1, "b": 2, "c": 3}), "`c`"),
        ("single", json!({"n": 1e300}), "`n`"),
        ("upper", json!({"letter": "ab"}), "`letter`"),
        ("describe", json!({"what": {"tag": "circle"}}), "`what`"),
        ("next-colour", json!({"before": "pink"}), "`before`"),
        ("invert", json!({"which": {"fly": true}}), "`which/fly`"),
        ("sum", json!({"numbers": [1, 256]}), "`numbers/1`"),
        ("swap", json!({"pair": ["x"]}), "`pair`"),
        ("greet", json!({"first-name": "Ada", "title": 3}), "`title`"),
        ("unwrap", json!({"outcome": {}}), "`outcome`"),
    ] {
        let answer = host.call(&tool(function), arguments.clone()).await;
        assert_eq!(answer.status, 400, "{function} {arguments}: {answer:?}");
        let error = answer.json()["error"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        assert!(error.contains(place), "{function} {arguments}: {error}");
    }
}

#[tokio::test]
async fn the_limits_hold() {
    let host = host().await;
    let error = async |function: &str, arguments| {
        let answer = host.call(&tool(function), arguments).await;
        assert_eq!(answer.status, 500, "{answer:?}");
        answer.json()["error"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    let trap = error("trap", json!({"message": "boom"})).await;
    assert!(
        trap.starts_with("The tool trapped:") && trap.ends_with("boom"),
        "{trap}"
    );
    let spin = error("spin", json!({})).await;
    assert!(spin.starts_with("Fuel limit exceeded"), "{spin}");
    // 2 bytes of JSON each, and 1 MiB of it may be returned.
    let answer = host.call(&tool("bytes"), json!({"count": 500_000})).await;
    assert_eq!(answer.status, 200, "what fits is returned");
    for (function, count) in [
        ("bytes", 600_000),
        ("marks", 100_000),
        ("bytes", 20_000_000),
    ] {
        let large = error(function, json!({"count": count})).await;
        assert!(large.starts_with("Output limit exceeded"), "{large}");
    }
    host.assert_well().await;
}

#[tokio::test]
async fn lists_have_schemas_of_the_types() {
    let host = host().await;
    let listed = host.get("/mcp/tools").await.json();
    let named = |name: &str| {
        let tools = listed["tools"].as_array().expect("a list");
        let found = tools.iter().find(|tool| tool["name"] == name);
        found
            .unwrap_or_else(|| panic!("no {name}: {listed}"))
            .clone()
    };
    let add = named(&tool("add"));
    let integer = json!({"type": "integer", "minimum": 0, "maximum": u64::MAX});
    assert_eq!(
        add["inputSchema"],
        json!({
            "type": "object",
            "properties": {"a": integer, "b": integer},
            "required": ["a", "b"],
            "additionalProperties": false,
        })
    );
    let greet = named(&tool("greet"));
    assert_eq!(greet["inputSchema"]["required"], json!(["first-name"]));
    assert_eq!(
        greet["inputSchema"]["properties"]["title"],
        json!({"anyOf": [{"type": "null"}, {"type": "string"}]})
    );
}

#[tokio::test]
async fn inspect_says_which_functions_are_no_tools() {
    let finished = Launch::command(&["inspect", "--json", &guest("shapes")])
        .run()
        .await;
    let printed = finished.json();
    let left_out = printed["left_out"].as_array().expect("a list");
    let functions: Vec<&str> = left_out
        .iter()
        .filter_map(|left_out| left_out["function"].as_str())
        .collect();
    for function in ["[constructor]counter", "[method]counter.next", "count-up"] {
        let whole = format!("test:shapes/values@0.1.0#{function}");
        assert!(functions.contains(&whole.as_str()), "{functions:?}");
    }
    assert_eq!(functions.len(), 3, "{functions:?}");
    assert!(
        printed.to_string().contains("a resource handle"),
        "{printed}"
    );
    let table = Launch::command(&["inspect", &guest("shapes")]).run().await;
    assert!(
        table.stdout.contains("no tools:") && table.stdout.contains("its parameter `counter` has"),
        "{table:?}"
    );
}

/// A custom section of a component, as `wit-docs-inject` appends it.
fn documented(component: &[u8], docs: &Value) -> Vec<u8> {
    let docs = docs.to_string();
    let length = 1 + 12 + 1 + docs.len();
    assert!((128..16_384).contains(&length), "two bytes of LEB128");
    let leb = [(length & 0x7f | 0x80) as u8, (length >> 7) as u8];
    [
        component,
        &[0],
        &leb,
        b"\x0cpackage-docs\x01",
        docs.as_bytes(),
    ]
    .concat()
}

#[tokio::test]
async fn doc_comments_are_descriptions() {
    let component = std::fs::read(guest("shapes")).expect("it is built");
    let docs = json!({
        "worlds": {"shapes": {"func_exports": {"version": {"docs": "At the root."}}}},
        "interfaces": {"values": {"funcs": {"greet": {"docs": "Greets a person, by title where there is one."}}}},
    });
    let folder = Folder::default();
    let path = folder.write("documented.wasm", documented(&component, &docs));
    let printed = Launch::command(&["inspect", "--json", &path])
        .run()
        .await
        .json();
    let described = |name: &str| {
        let tools = printed["tools"].as_array().expect("a list");
        let found = tools.iter().find(|tool| tool["name"] == name);
        found.expect("it is listed")["description"].clone()
    };
    assert_eq!(described("version"), "At the root.");
    assert_eq!(
        described(&tool("greet")),
        "Greets a person, by title where there is one."
    );
}

#[tokio::test]
async fn prefix_and_filter_hold_for_reflected_tools() {
    let host = Host::start(&format!(
        "version: 1\ntools:\n  - source: file:{}\n    prefix: x\n    include: [version]\n",
        guest("shapes")
    ))
    .await;
    assert_eq!(host.tools().await, ["x_version"]);
    let result = Way::Modern.call(&host, "x_version", json!({})).await;
    assert_eq!(text(&result), "0.1.0");
}

#[tokio::test]
async fn a_component_without_functions_is_refused_with_the_mend() {
    let folder = Folder::default();
    // The eight bytes of an empty component.
    let empty = folder.write("empty.wasm", b"\0asm\x0d\0\x01\0");
    let finished = Launch::command(&["inspect", &empty]).run().await;
    assert_eq!(finished.code, Some(3), "{finished:?}");
    assert!(
        finished
            .stderr
            .contains("export functions from its WIT world"),
        "{finished:?}"
    );
}

#[tokio::test]
async fn components_of_other_toolchains_run_as_they_are() {
    // An interpreter takes long to compile, once.
    let mut left_out = Vec::new();
    for name in ["words", "shop"] {
        let inspect = Launch::command(&["inspect", "--json", &foreign(name)]);
        let printed = inspect.run_within(Duration::from_secs(300)).await.json();
        left_out.extend(printed["left_out"].as_array().expect("a list").clone());
    }
    assert_eq!(left_out.len(), 1, "{left_out:?}");
    assert_eq!(left_out[0]["function"], "exports#init");
    let host = Host::start(&format!(
        "version: 1\ntools:\n  - file:{}\n  - file:{}\n",
        foreign("words"),
        foreign("shop")
    ))
    .await;
    let mut names = host.tools().await;
    names.sort();
    assert_eq!(
        names,
        [
            "initial",
            "reverse",
            "test_shop_basket_0_1_0_pay",
            "test_shop_basket_0_1_0_total",
            "test_words_text_0_1_0_count",
            "test_words_text_0_1_0_restyle",
        ]
    );
    let items = json!([{"name": "pen", "price": 1.25, "count": 2}]);
    for (tool, arguments, status, expected) in [
        (
            "reverse",
            json!({"items": [1, u64::MAX]}),
            200,
            json!({"result": [u64::MAX, 1]}),
        ),
        (
            "test_words_text_0_1_0_count",
            json!({"text": "one three"}),
            200,
            json!({"result": {"words": 2, "longest": "three"}}),
        ),
        (
            "test_words_text_0_1_0_restyle",
            json!({"text": "ada", "style": "title"}),
            200,
            json!({"result": "Ada"}),
        ),
        (
            "test_words_text_0_1_0_restyle",
            json!({"text": "", "style": "upper"}),
            500,
            json!({"error": r#"{"tag":"empty"}"#}),
        ),
        ("initial", json!({"name": ""}), 200, json!({"result": null})),
        (
            "test_shop_basket_0_1_0_total",
            json!({"items": items, "wishes": {"express": true}}),
            200,
            json!({"result": 7.5}),
        ),
        (
            "test_shop_basket_0_1_0_pay",
            json!({"how": {"tag": "card", "val": "12"}, "amount": 9_007_199_254_740_993_i64}),
            200,
            json!({"result": "9007199254740993 by card 12"}),
        ),
        (
            "test_shop_basket_0_1_0_pay",
            json!({"how": {"tag": "cash"}, "amount": 1}),
            500,
            json!({"error": "no change for cash"}),
        ),
    ] {
        let answer = host.call(tool, arguments.clone()).await;
        assert_eq!(
            (answer.status, answer.json()),
            (status, expected),
            "{tool} {arguments}"
        );
    }
}
