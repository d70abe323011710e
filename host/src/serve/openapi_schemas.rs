//! `components.schemas` of `/openapi.json`: the tools' schemas, and the parts that they name.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value, json};

use crate::schema::{Schema, integers, subschemas};

/// Schemas by their keys.
#[derive(Default)]
pub struct Schemas {
    schemas: Map<String, Value>,
    /// Keys that are given away.
    taken: HashSet<String>,
}

impl Schemas {
    /// Keeps a key for its schema.
    pub fn reserve(&mut self, key: String) {
        self.taken.insert(key);
    }

    /// A schema as it is.
    pub fn put(&mut self, key: String, schema: Value) {
        self.reserve(key.clone());
        self.schemas.insert(key, schema);
    }

    /// Adds a tool's schema under a key; the reference to it. The parts that it names at its top are added beside it, as
    /// `KEY.NAME`: generators of clients look for named schemas nowhere else.
    pub fn add(&mut self, key: String, schema: &Schema) -> Value {
        let mut schema = (*schema.document).clone();
        let mut place = Place {
            schema: place_of(&key),
            parts: HashMap::new(),
        };
        let mut parts = Vec::new();
        for keyword in NAMING {
            let Some(Value::Object(named)) = schema.get_mut(keyword) else {
                continue;
            };
            for (name, part) in std::mem::take(named) {
                let own = format!("{key}.{name}");
                if is_key(&name) && self.taken.insert(own.clone()) {
                    let pointer = format!("/{keyword}/{name}");
                    place.parts.insert(pointer, place_of(&own));
                    parts.push((own, part));
                } else {
                    named.insert(name, part);
                }
            }
            if named.is_empty() {
                schema.shift_remove(keyword);
            }
        }
        let reference = json!({"$ref": place.schema});
        parts.insert(0, (key, Value::Object(schema)));
        for (key, mut schema) in parts {
            subschemas::change(&mut schema, &|schema| {
                place.rebase(schema);
                integers::bound(schema);
            });
            self.put(key, schema);
        }
        reference
    }

    /// All of them.
    pub fn into_document(self) -> Map<String, Value> {
        self.schemas
    }
}

fn place_of(key: &str) -> String {
    format!("#/components/schemas/{key}")
}

/// Whether a name can be part of a component's key (OpenAPI 3.1, "Components Object").
fn is_key(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    !name.is_empty() && name.bytes().all(is_plain)
}

/// Keywords that name a schema's parts.
const NAMING: [&str; 2] = ["$defs", "definitions"];

/// Keywords that refer to a schema.
const REFERENCES: [&str; 3] = ["$ref", "$dynamicRef", "$recursiveRef"];

/// Where a schema lies in the document.
struct Place {
    schema: String,
    /// Its parts that lie elsewhere, by the pointers to them within it.
    parts: HashMap<String, String>,
}

impl Place {
    /// Has a schema's references to its own parts, `#/..`, lead to where they lie in the document now. They are the only
    /// ones that there are, besides anchors, which stay what they are.
    fn rebase(&self, schema: &mut Map<String, Value>) {
        // Would make another document of it.
        if schema.get("$id").is_some_and(Value::is_string) {
            schema.shift_remove("$id");
        }
        for keyword in REFERENCES {
            if let Some(Value::String(reference)) = schema.get_mut(keyword)
                && let Some(pointer) = reference.strip_prefix('#')
                && (pointer.is_empty() || pointer.starts_with('/'))
            {
                *reference = self.of(pointer);
            }
        }
    }

    /// Where this part of the schema lies.
    fn of(&self, pointer: &str) -> String {
        // `/$defs/NAME`, and what comes after it.
        let end = pointer.match_indices('/').nth(2).map(|(end, _)| end);
        let (named, rest) = pointer.split_at(end.unwrap_or(pointer.len()));
        match self.parts.get(named) {
            Some(place) => format!("{place}{rest}"),
            None => format!("{}{pointer}", self.schema),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Account;

    fn added(schemas: &mut Schemas, schema: &Value) -> Value {
        let schema = Schema::compile(&schema.to_string(), &mut Account::default()).unwrap();
        schemas.add("t.input".to_owned(), &schema)
    }

    #[test]
    fn references_within_a_schema_lead_to_where_it_lies_in_the_document() {
        let mut schemas = Schemas::default();
        let reference = added(
            &mut schemas,
            &json!({
                "$id": "https://example.com/tree",
                "type": "object",
                "properties": {
                    "$ref": {"$ref": "#/$defs/node"},
                    "deep": {"$ref": "#/$defs/node/properties/next"},
                    "enum": {"items": {"anyOf": [{"$ref": "#"}, {"enum": [{"$ref": "#/$defs/node"}]}]}},
                },
                "$defs": {"node": {
                    "$anchor": "n",
                    "properties": {"next": {"$ref": "#n"}, "again": {"$ref": "#/$defs/node"}, "top": {"$ref": "#"}},
                }},
            }),
        );
        let place = "#/components/schemas/t.input";
        let node = "#/components/schemas/t.input.node";
        assert_eq!(reference, json!({"$ref": place}));
        assert_eq!(
            Value::Object(schemas.into_document()),
            json!({
                "t.input": {
                    "type": "object",
                    "properties": {
                        "$ref": {"$ref": node},
                        "deep": {"$ref": format!("{node}/properties/next")},
                        "enum": {"items": {"anyOf": [{"$ref": place}, {"enum": [{"$ref": "#/$defs/node"}]}]}},
                    },
                },
                "t.input.node": {
                    "$anchor": "n",
                    "properties": {"next": {"$ref": "#n"}, "again": {"$ref": node}, "top": {"$ref": place}},
                },
            })
        );
    }

    #[test]
    fn a_part_whose_name_is_no_key_or_is_anothers_stays_where_it_is() {
        let mut schemas = Schemas::default();
        schemas.reserve("t.input.input".to_owned());
        added(
            &mut schemas,
            &json!({
                "type": "object",
                "properties": {
                    "a": {"$ref": "#/$defs/List~1int"},
                    "b": {"$ref": "#/$defs/input"},
                },
                "$defs": {"List/int": {"type": "array"}, "input": {"type": "string"}},
            }),
        );
        let place = "#/components/schemas/t.input/$defs";
        assert_eq!(
            Value::Object(schemas.into_document()),
            json!({"t.input": {
                "type": "object",
                "properties": {
                    "a": {"$ref": format!("{place}/List~1int")},
                    "b": {"$ref": format!("{place}/input")},
                },
                "$defs": {"List/int": {"type": "array"}, "input": {"type": "string"}},
            }})
        );
    }
}
