//! Kubernetes objects as YAML files have them, checked against the types of the API.

use std::path::Path;

use k8s_openapi::serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

/// All objects of a YAML text; empty documents are none.
pub fn objects(yaml: &str) -> Vec<Value> {
    let all: Vec<Value> =
        serde_saphyr::from_multiple(yaml).unwrap_or_else(|error| panic!("{error}:\n{yaml}"));
    all.into_iter().filter(|object| !object.is_null()).collect()
}

/// All objects of a file.
pub fn objects_of(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file);
    objects(&text.unwrap_or_else(|error| panic!("{}: {error}", file.display())))
}

/// Reads a value as the API has it. Panics where a field is missing, has another type, or is unknown there: an API server
/// drops what it does not know, and a misspelt field has no effect.
pub fn strict<T: DeserializeOwned + Serialize>(value: &Value) -> T {
    let typed: T =
        serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{error}:\n{value:#}"));
    let known = serde_json::to_value(&typed).expect("it was JSON");
    if let Some(place) = lost(value, &known) {
        panic!("{place} is unknown to the API:\n{value:#}");
    }
    typed
}

/// The first place of a value that another one does not have.
fn lost(value: &Value, known: &Value) -> Option<String> {
    match (value, known) {
        (Value::Object(value), Value::Object(known)) => value.iter().find_map(|(key, value)| {
            let place = match known.get(key) {
                None => String::new(),
                Some(known) => lost(value, known)?,
            };
            Some(format!(".{key}{place}"))
        }),
        (Value::Array(value), Value::Array(known)) => {
            let mut pairs = value.iter().zip(known).enumerate();
            pairs.find_map(|(at, (value, known))| Some(format!("[{at}]{}", lost(value, known)?)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use k8s_openapi::api::core::v1::PodSpec;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_field_that_the_api_does_not_know_is_refused_with_its_place() {
        let of = |spec: Value| catch_unwind(|| drop(strict::<PodSpec>(&spec)));
        let good = json!({ "containers": [{ "name": "a", "ports": [{ "containerPort": 1 }] }] });
        assert!(of(good.clone()).is_ok());
        let mut bad = good;
        bad["containers"][0]["ports"][0]["port"] = json!(1);
        let panic = of(bad).unwrap_err();
        let words = panic.downcast_ref::<String>().expect("words");
        let place = ".containers[0].ports[0].port is unknown";
        assert!(words.starts_with(place), "{words}");
        assert!(of(json!({ "containers": [{ "name": 1 }] })).is_err());
    }
}
