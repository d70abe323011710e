//! `tests.yaml`: calls, and what must come back.

use std::fmt;
use std::path::Path;

use sandglass_manifest::ManifestError;
use serde::Deserialize;
use serde_json::{Map, Value};

/// A call, and what must come back.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "CaseDocument")]
pub struct Case {
    /// What it shows; the tool and its arguments without it.
    name: Option<String>,
    /// The tool, by its name in the manifest.
    pub tool: String,
    /// Its arguments.
    pub arguments: Map<String, Value>,
    wanted: Wanted,
}

/// What must come back.
#[derive(Debug, Clone)]
enum Wanted {
    /// Any result.
    Success,
    /// This value.
    Result(Value),
    /// An error whose text has this part.
    Error(String),
}

/// A case as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseDocument {
    name: Option<String>,
    tool: String,
    #[serde(default)]
    arguments: Map<String, Value>,
    #[serde(default, deserialize_with = "present")]
    result: Option<Value>,
    error: Option<String>,
}

impl TryFrom<CaseDocument> for Case {
    type Error = String;

    fn try_from(document: CaseDocument) -> Result<Self, String> {
        let CaseDocument {
            name,
            tool,
            arguments,
            result,
            error,
        } = document;
        let wanted = match (result, error) {
            (Some(_), Some(_)) => {
                return Err(format!(
                    "the case `{}` has both `result` and `error`: a call has one of them, leave the other out",
                    name.unwrap_or(tool)
                ));
            }
            (Some(result), None) => Wanted::Result(result),
            (None, Some(error)) => Wanted::Error(error),
            (None, None) => Wanted::Success,
        };
        Ok(Self {
            name,
            tool,
            arguments,
            wanted,
        })
    }
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
        match (&self.wanted, got) {
            (Wanted::Error(wanted), Err(error)) if error.contains(wanted) => Ok(()),
            (Wanted::Error(wanted), Err(error)) => {
                Err(format!("the error does not say {wanted:?}, but: {error}"))
            }
            (Wanted::Error(_), Ok(value)) => Err(format!("no error, but {value}")),
            (_, Err(error)) => Err(format!("an error: {error}")),
            (Wanted::Result(wanted), Ok(value)) if !same(wanted, value) => {
                Err(format!("{value}, not {wanted}"))
            }
            (_, Ok(_)) => Ok(()),
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
    fn a_case_with_both_a_result_and_an_error_is_refused() {
        let both = json!({"name": "adds", "tool": "t", "result": null, "error": "x"});
        let error = serde_json::from_value::<Case>(both).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the case `adds` has both `result` and `error`: a call has one of them, leave the other out"
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
