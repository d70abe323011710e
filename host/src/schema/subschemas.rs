//! Which keywords of a JSON Schema hold schemas, and which hold data that only looks like one.

use serde_json::{Map, Value};

/// Keywords that hold schemas by name.
pub const BY_NAME: [&str; 6] = [
    "properties",
    "patternProperties",
    "dependentSchemas",
    "dependencies",
    "$defs",
    "definitions",
];

/// Keywords that hold data.
const DATA: [&str; 5] = ["const", "enum", "default", "example", "examples"];

/// Changes a schema and each one within it.
pub fn change(schema: &mut Value, with: &impl Fn(&mut Map<String, Value>)) {
    match schema {
        Value::Object(keywords) => {
            for (keyword, value) in keywords.iter_mut() {
                match value {
                    Value::Object(schemas) if BY_NAME.contains(&keyword.as_str()) => {
                        schemas.values_mut().for_each(|schema| change(schema, with));
                    }
                    _ if DATA.contains(&keyword.as_str()) => {}
                    value => change(value, with),
                }
            }
            with(keywords);
        }
        Value::Array(schemas) => schemas.iter_mut().for_each(|schema| change(schema, with)),
        _ => {}
    }
}
