//! The examples of KAOS' guide (`kaos-mcpserver-crd`), as they stand there, and what a server's status says.

use serde_json::{Value, json};

/// Its calculator.
pub const CALCULATOR: &str = r#"
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

/// Its string utilities.
pub const STRING_UTILS: &str = r#"
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

/// Its weather tool.
pub const WEATHER: &str = r#"
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

/// One function more, which tells what the weather tool sees.
pub const KEY_LENGTH: &str = r#"
def key_length() -> int:
    """How long the key is."""
    return len(os.environ.get("WEATHER_API_KEY", ""))
"#;

/// The functions of its full specification.
pub const SPECIFICATION: &str = r#"
def echo(text: str) -> str:
    """Echo the input text."""
    return f"Echo: {text}"

def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b
"#;

/// A spec with inline Python, as the guide has it.
pub fn python(source: &str) -> Value {
    json!({ "type": "python-runtime", "config": { "tools": { "fromString": source } } })
}

/// The tools that a status names.
pub fn tools(status: &Value) -> Vec<&str> {
    let tools = status["availableTools"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    tools.iter().filter_map(Value::as_str).collect()
}

/// A condition of a status.
pub fn condition<'a>(status: &'a Value, kind: &str) -> &'a Value {
    let conditions = status["conditions"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    conditions
        .iter()
        .find(|condition| condition["type"] == kind)
        .unwrap_or(&Value::Null)
}
