//! What functions' types become: the schemas of Python are FastMCP's; and the same tools in Python, JavaScript and Rust
//! have those of `fixtures/schemas/schemas.json`.

use std::collections::{BTreeMap, HashMap};

use sandglass_sdk::schemars::{self, JsonSchema};
use sandglass_sdk::serde::{Deserialize, Serialize};
use sandglass_sdk::{export, testing, tool};
use sandglass_tests::mcp::Way;
use sandglass_tests::{Client, Host, manifest, root};
use serde_json::{Map, Value, json};

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(crate = "sandglass_sdk::serde", rename_all = "lowercase")]
enum Color {
    Red,
    Green,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(crate = "sandglass_sdk::serde", rename_all = "lowercase")]
enum Finish {
    #[default]
    Matt,
    Gloss,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(crate = "sandglass_sdk::serde")]
struct Point {
    x: f64,
    #[serde(default)]
    y: f64,
}

#[derive(Deserialize, JsonSchema)]
#[serde(crate = "sandglass_sdk::serde")]
#[expect(dead_code, reason = "only its schema is wanted")]
struct Line {
    start: Point,
    points: Vec<Point>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(crate = "sandglass_sdk::serde")]
struct Person {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    age: Option<i64>,
}

fn one() -> i64 {
    1
}

/// Orders something.
#[tool]
#[expect(unused_variables, reason = "only its schema is wanted")]
fn order(
    /// What to order.
    item: String,
    /// How many of it.
    #[serde(default = "one")]
    count: i64,
    note: Option<String>,
) -> bool {
    true
}

/// Scales it.
#[tool]
#[expect(unused_variables, reason = "only its schema is wanted")]
fn scale(
    /// By how much.
    factor: f64,
    /// What to scale.
    tags: Vec<String>,
) -> Vec<f64> {
    vec![factor]
}

/// Renames it.
#[tool]
#[expect(unused_variables, reason = "only its schema is wanted")]
fn rename(
    /// The name that it has.
    old: String,
    /// The name that it gets.
    renamed: String,
) -> String {
    renamed
}

/// Paints it.
#[tool]
#[expect(unused_variables, reason = "only its schema is wanted")]
fn paint(color: Color, #[serde(default)] finish: Finish) -> Color {
    color
}

/// Draws a line.
#[tool]
#[expect(unused_variables, reason = "only its schema is wanted")]
fn draw(line: Line, counts: HashMap<String, i64>) -> Point {
    line.start
}

/// Signs a person up.
#[tool]
fn sign_up(person: Person) -> Person {
    person
}

export!(order, scale, rename, paint, draw, sign_up);

/// What one way makes of each tool: its description and both schemas.
type Tools = BTreeMap<String, Value>;

/// What counts of tools as MCP lists them.
fn listed(tools: &[Value]) -> Tools {
    let described = |tool: &Value| {
        let name = tool["name"].as_str().expect("a tool has a name").to_owned();
        let of = |field: &str| (field.to_owned(), untitled(&tool[field]));
        let fields = ["description", "inputSchema", "outputSchema"].map(of);
        (name, Value::Object(Map::from_iter(fields)))
    };
    tools.iter().map(described).collect()
}

/// FastMCP writes titles here and there, which say nothing but the name.
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

/// Of inline source, by its file among the fixtures, over MCP.
async fn inline(file: &str) -> Tools {
    let source = root().join("tests/fixtures").join(file);
    let host = Host::start(&manifest(&json!([source]))).await;
    let answer = Way::Modern.request(&host, "tools/list", json!({})).await;
    listed(answer.result()["tools"].as_array().expect("a list"))
}

async fn fastmcp(file: &str) -> Tools {
    let source = root().join("tests/fixtures").join(file);
    let client = Client::python("SANDGLASS_FASTMCP", "fastmcp_schemas.py").arg(&source);
    listed(client.succeed().await.json().as_array().expect("a list"))
}

/// As the SDK gives them to a host; over MCP a result that is no object is wrapped besides.
fn rust() -> Tools {
    let json = |schema: String| -> Value { schema.parse().expect("schemas are JSON") };
    let tools: Vec<Value> = testing::list(TOOLS)
        .into_iter()
        .map(|tool| {
            json!({
                "name": tool.name,
                "description": tool.description,
                "inputSchema": json(tool.input_schema),
                "outputSchema": tool.output_schema.map(json),
            })
        })
        .collect();
    listed(&tools)
}

#[tokio::test]
async fn schemas_of_python_are_those_that_fastmcp_makes() {
    for file in ["python/types.py", "schemas/tools.py"] {
        let (ours, theirs) = (inline(file).await, fastmcp(file).await);
        assert_eq!(ours.len(), theirs.len(), "{file}");
        for (name, theirs) in theirs {
            for field in ["inputSchema", "outputSchema"] {
                assert_eq!(ours[&name][field], theirs[field], "{field} of {name}");
            }
            // The first line of the docstring only.
            let description = |tool: &Value| {
                let text = tool["description"].as_str().unwrap_or_default();
                text.lines().next().unwrap_or_default().to_owned()
            };
            assert_eq!(description(&ours[&name]), description(&theirs), "{name}");
        }
    }
}

#[tokio::test]
async fn the_same_tools_have_these_schemas_in_three_languages_and_in_fastmcp() {
    let ways = [
        ("fastmcp", fastmcp("schemas/tools.py").await),
        ("python", inline("schemas/tools.py").await),
        ("javascript", inline("schemas/tools.js").await),
        ("rust", rust()),
    ];
    let mut all: BTreeMap<&str, BTreeMap<&str, &Value>> = BTreeMap::new();
    for (way, tools) in &ways {
        for (tool, described) in tools {
            all.entry(tool).or_default().insert(way, described);
        }
    }
    let file = root().join("tests/fixtures/schemas/schemas.json");
    let golden: Value = std::fs::read(file)
        .ok()
        .and_then(|golden| serde_json::from_slice(&golden).ok())
        .unwrap_or_default();
    assert_eq!(json!(all), golden, "what there is now:\n{:#}", json!(all));
}
