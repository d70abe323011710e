//! `tests.yaml`: calls, and what must come back.

use std::fmt;
use std::path::Path;

use sandglass_manifest::ManifestError;
use serde::Deserialize;
use serde_json::{Map, Value};

/// A call, and what must come back.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What it shows; the tool and its arguments without it.
    name: Option<String>,
    /// The tool, by its name in the manifest.
    pub tool: String,
    /// Its arguments.
    #[serde(default)]
    pub arguments: Map<String, Value>,
    /// The value that must come back. Without it and `error` any will do.
    #[serde(default, deserialize_with = "present")]
    result: Option<Value>,
    /// A part of the text of the error that must come back.
    error: Option<String>,
}

/// `result: null` is not the same as none.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

impl Case {
    /// Reads a file of cases.
    pub fn read(path: &Path) -> Result<Vec<Self>, ManifestError> {
        sandglass_manifest::read_document(path)
    }

    /// What is wrong with what came back; `Err` is the error's text.
    pub fn check(&self, got: &Result<Value, String>) -> Result<(), String> {
        match (&self.result, &self.error, got) {
            (_, Some(wanted), Err(error)) if error.contains(wanted) => Ok(()),
            (_, Some(wanted), Err(error)) => {
                Err(format!("the error does not say {wanted:?}, but: {error}"))
            }
            (_, Some(_), Ok(value)) => Err(format!("no error, but {value}")),
            (_, None, Err(error)) => Err(format!("an error: {error}")),
            (Some(wanted), None, Ok(value)) if !same(wanted, value) => {
                Err(format!("{value}, not {wanted}"))
            }
            (_, None, Ok(_)) => Ok(()),
        }
    }
}

/// JSON has one kind of numbers: `3` and `3.0` are the same.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            one == other || one.as_f64() == other.as_f64()
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .all(|(key, one)| other.get(key).is_some_and(|other| same(one, other)))
        }
        _ => one == other,
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => f.write_str(name),
            None => write!(f, "{} {}", self.tool, Value::from(self.arguments.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn case(value: Value) -> Case {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_result_must_be_the_same_json() {
        let wanted = case(json!({"tool": "t", "result": {"a": [1, 2.5]}}));
        assert_eq!(wanted.check(&Ok(json!({"a": [1.0, 2.5]}))), Ok(()));
        for other in [
            json!({"a": [1]}),
            json!({"a": [1, 2.5], "b": 0}),
            json!(null),
        ] {
            assert!(wanted.check(&Ok(other)).is_err());
        }
        assert!(wanted.check(&Err("broken".to_owned())).is_err());
        assert!(
            case(json!({"tool": "t", "result": null}))
                .check(&Ok(json!(1)))
                .is_err()
        );
    }

    #[test]
    fn an_error_must_say_its_part() {
        let wanted = case(json!({"tool": "t", "error": "division"}));
        assert_eq!(
            wanted.check(&Err("Error: division by zero".to_owned())),
            Ok(())
        );
        assert!(wanted.check(&Err("other".to_owned())).is_err());
        assert!(wanted.check(&Ok(json!(1))).is_err());
    }

    #[test]
    fn without_either_the_call_must_succeed() {
        let wanted = case(json!({"tool": "t"}));
        assert_eq!(wanted.check(&Ok(json!(1))), Ok(()));
        assert!(wanted.check(&Err("x".to_owned())).is_err());
    }
}
