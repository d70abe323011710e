//! As much of a JSON-RPC message as it takes to tell what is malformed, and where the rest belongs.

use std::borrow::Cow;
use std::fmt::Display;

use rmcp::model::{
    CallToolRequestMethod, ConstString, ErrorCode, GetPromptRequestMethod, InitializeRequestParams,
    ReadResourceRequestMethod, SubscriptionsListenRequestMethod,
};
use sandglass_text::Line;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

/// A well-formed JSON-RPC 2.0 message.
#[derive(Deserialize)]
pub struct Message<'a> {
    jsonrpc: Cow<'a, str>,
    #[serde(default, deserialize_with = "present")]
    id: Option<Value>,
    #[serde(borrow)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
}

/// Tells `"id": null` from no id.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// What is no object holds no arguments; that is told to who may call.
fn object<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Map<String, Value>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Object(arguments) => Ok(arguments),
        _ => Ok(Map::new()),
    }
}

#[derive(Deserialize)]
struct Params {
    #[serde(rename = "_meta")]
    meta: Option<Meta>,
}

#[derive(Deserialize)]
struct Meta {
    #[serde(rename = "io.modelcontextprotocol/protocolVersion")]
    protocol_version: Option<Value>,
}

/// What a message asks a guest for.
pub enum Asks<'a> {
    /// To call the tool of this name.
    Tool(Cow<'a, str>),
    /// To get the prompt of this name.
    Prompt(Cow<'a, str>),
    /// To read the resource of this URI.
    Resource(Cow<'a, str>),
}

/// Why a message is answered before rmcp sees it, as JSON-RPC says it.
#[derive(Debug)]
pub struct Malformed {
    code: ErrorCode,
    reason: Line,
    id: Value,
}

impl<'a> Message<'a> {
    /// Reads a message.
    pub fn parse(body: &'a [u8]) -> Result<Self, Malformed> {
        let message: Self = serde_json::from_slice(body).map_err(|error| {
            if !error.is_data() || serde_json::from_slice::<&RawValue>(body).is_err() {
                Malformed::json()
            } else if body.trim_ascii_start().starts_with(b"[") {
                Malformed::request("batches are not served; send one message a request")
            } else {
                Malformed::request("not a JSON-RPC 2.0 message")
            }
        })?;
        if message.jsonrpc != "2.0" {
            return Err(Malformed::request("`jsonrpc` must be \"2.0\""));
        }
        match &message.id {
            None | Some(Value::String(_)) => Ok(message),
            Some(Value::Number(number)) if number.is_i64() => Ok(message),
            Some(_) => Err(Malformed::request(
                "`id` must be a string or a whole number of 64 bits",
            )),
        }
    }

    /// Its id; null where it has none.
    pub fn id(&self) -> Value {
        self.id.clone().unwrap_or_default()
    }

    /// Its method; none for an answer.
    pub fn method(&self) -> Option<&str> {
        self.method.as_deref()
    }

    /// Whether it says of itself that it is of a revision without handshake.
    pub fn names_a_version(&self) -> bool {
        self.params
            .and_then(|params| serde_json::from_str::<Params>(params.get()).ok())
            .and_then(|params| params.meta?.protocol_version)
            .is_some()
    }

    /// What it asks a guest for, as far as that takes a scope.
    pub fn asks(&self) -> Option<Asks<'a>> {
        #[derive(Deserialize)]
        struct Named<'a> {
            #[serde(borrow)]
            name: Cow<'a, str>,
        }
        #[derive(Deserialize)]
        struct At<'a> {
            #[serde(borrow)]
            uri: Cow<'a, str>,
        }
        let named = |params: &'a RawValue| {
            let named: Option<Named<'a>> = serde_json::from_str(params.get()).ok();
            named.map(|named| named.name)
        };
        let params = self.params?;
        match self.method()? {
            CallToolRequestMethod::VALUE => named(params).map(Asks::Tool),
            GetPromptRequestMethod::VALUE => named(params).map(Asks::Prompt),
            ReadResourceRequestMethod::VALUE => {
                let at: At<'a> = serde_json::from_str(params.get()).ok()?;
                Some(Asks::Resource(at.uri))
            }
            _ => None,
        }
    }

    /// The arguments of what it asks a guest for: none where they are no object.
    pub fn arguments(&self) -> Map<String, Value> {
        #[derive(Deserialize)]
        struct Params {
            #[serde(default, deserialize_with = "object")]
            arguments: Map<String, Value>,
        }
        let params = self.params.map_or("{}", RawValue::get);
        let params: Option<Params> = serde_json::from_str(params).ok();
        params.map(|params| params.arguments).unwrap_or_default()
    }

    /// The resources that it asks to be told of, if it asks for changes.
    pub fn watches(&self) -> Vec<Cow<'a, str>> {
        #[derive(Deserialize)]
        struct Params<'a> {
            #[serde(borrow)]
            notifications: Filter<'a>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Filter<'a> {
            #[serde(borrow, default)]
            resource_subscriptions: Vec<Cow<'a, str>>,
        }
        if self.method() != Some(SubscriptionsListenRequestMethod::VALUE) {
            return Vec::new();
        }
        self.params
            .and_then(|params| serde_json::from_str::<Params<'a>>(params.get()).ok())
            .map(|params| params.notifications.resource_subscriptions)
            .unwrap_or_default()
    }

    /// What an `initialize` says, if it has what the handshake needs.
    pub fn check_initialize(&self) -> Result<InitializeRequestParams, Malformed> {
        if self.id.is_none() {
            return Err(Malformed::request(
                "`initialize` needs an id: it is a request",
            ));
        }
        let params = self.params.map_or("null", RawValue::get);
        match serde_json::from_str::<InitializeRequestParams>(params) {
            Ok(params) => Ok(params),
            Err(error) => Err(Malformed {
                code: ErrorCode::INVALID_PARAMS,
                reason: Line::new(format_args!(
                    "Invalid params: `initialize` needs protocolVersion, capabilities and clientInfo: {error}"
                )),
                id: self.id(),
            }),
        }
    }
}

impl Malformed {
    /// -32700
    pub fn json() -> Self {
        Self {
            code: ErrorCode::PARSE_ERROR,
            reason: Line::new("Parse error: not JSON, nested too deeply, or a number out of range"),
            id: Value::Null,
        }
    }

    /// -32600
    pub fn request(reason: &str) -> Self {
        Self {
            code: ErrorCode::INVALID_REQUEST,
            reason: Line::new(format_args!("Invalid Request: {reason}")),
            id: Value::Null,
        }
    }

    /// Any other code.
    pub fn new(code: ErrorCode, reason: impl Display) -> Self {
        Self {
            code,
            reason: Line::new(reason),
            id: Value::Null,
        }
    }

    /// What is wrong with a message that is well-formed, and is none of this protocol.
    pub fn unreadable(body: &[u8]) -> Self {
        let message = match Message::parse(body) {
            Ok(message) => message,
            Err(malformed) => return malformed,
        };
        let malformed = match (serde_json::from_slice::<Value>(body), message.method()) {
            // It is well-formed, and still not read: too deep, or a number that no double can be.
            (Err(_), _) => Self::json(),
            (Ok(read), Some(method)) if !is_answer(&read) => Self::params(method, &read["params"]),
            (Ok(_), _) => Self::request("not a message of this protocol"),
        };
        malformed.to(message.id())
    }

    /// -32602: what is wrong with the params of a method.
    fn params(method: &str, params: &Value) -> Self {
        let is_object = |value: Option<&Value>| value.is_none_or(Value::is_object);
        let reason: Cow<'static, str> = if !params.is_object() {
            "Invalid params: `params` must be an object, as the method has it".into()
        } else if !is_object(params.get("_meta")) {
            "Invalid params: `_meta` must be an object".into()
        } else {
            let method = Line::name(method);
            format!("Invalid params: they are not those of {method}").into()
        };
        Self::new(ErrorCode::INVALID_PARAMS, reason)
    }

    /// The answer to the request with this id.
    pub fn to(self, id: Value) -> Self {
        Self { id, ..self }
    }

    /// The answer as JSON.
    pub fn answer(&self) -> Value {
        json!({
            "jsonrpc": "2.0",
            "id": self.id,
            "error": {"code": self.code.0, "message": self.reason},
        })
    }
}

/// Whether it has what only an answer has.
fn is_answer(message: &Value) -> bool {
    message.get("result").is_some() || message.get("error").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(body: &str) -> i32 {
        Message::parse(body.as_bytes()).err().unwrap().code.0
    }

    #[test]
    fn malformed_json_batches_and_null_ids_are_told_apart() {
        for body in ["", "{", "[1", "nonsense", "{\"jsonrpc\": \"2.0\",}"] {
            assert_eq!(code(body), -32700, "{body}");
        }
        for body in [
            "[]",
            r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#,
            "3",
            "{}",
            r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":9223372036854775808,"method":"ping"}"#,
        ] {
            assert_eq!(code(body), -32600, "{body}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_told_why() {
        let deep = format!(
            r#"{{"jsonrpc":"2.0","id":7,"method":"ping","params":{{"a":{}{}}}}}"#,
            "[".repeat(200),
            "]".repeat(200)
        );
        for (body, code, reason) in [
            (
                r#"{"jsonrpc":"2.0","id":7,"method":"ping","params":3}"#,
                -32602,
                "`params` must be an object",
            ),
            (
                r#"{"jsonrpc":"2.0","id":7,"method":"ping","params":{"_meta":5}}"#,
                -32602,
                "`_meta` must be an object",
            ),
            (
                r#"{"jsonrpc":"2.0","id":7,"method":"ping","params":{"_meta":{"a":1}}}"#,
                -32602,
                "they are not those of ping",
            ),
            (&deep, -32700, "nested too deeply"),
            (
                r#"{"jsonrpc":"2.0","id":7,"method":"ping","params":{"a":1e400}}"#,
                -32700,
                "a number out of range",
            ),
            (
                r#"{"jsonrpc":"2.0","id":7,"method":"ping","result":{}}"#,
                -32600,
                "not a message of this protocol",
            ),
            (
                r#"{"jsonrpc":"2.0","id":7}"#,
                -32600,
                "not a message of this protocol",
            ),
        ] {
            let malformed = Malformed::unreadable(body.as_bytes());
            assert_eq!(
                (malformed.code.0, &malformed.id),
                (code, &json!(7)),
                "{body}"
            );
            assert!(malformed.reason.contains(reason), "{}", malformed.reason);
        }
    }

    #[test]
    fn an_initialize_without_what_it_needs_is_told_what() {
        for params in ["", r#","params":{}"#, r#","params":[]"#] {
            let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"initialize"{params}}}"#);
            let message = Message::parse(body.as_bytes()).ok().unwrap();
            let malformed = message.check_initialize().unwrap_err();
            assert_eq!(
                (malformed.code.0, malformed.id),
                (-32602, json!(1)),
                "{params}"
            );
        }
    }
}
