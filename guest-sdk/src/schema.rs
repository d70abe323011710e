//! JSON Schemas (2020-12) of arguments, results and forms.

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value};

/// The schema of the arguments, which are the fields of `T`.
pub fn of_arguments<T: JsonSchema>() -> String {
    let mut schema = root::<T>(SchemaSettings::draft2020_12());
    // A tool without arguments: some clients insist on `properties`.
    schema
        .entry("properties")
        .or_insert_with(|| Map::new().into());
    Value::Object(schema).to_string()
}

/// The schema of a result.
pub fn of_value<T: JsonSchema>() -> String {
    Value::Object(root::<T>(SchemaSettings::draft2020_12().for_serialize())).to_string()
}

/// The schema of a form: flat, of primitive properties, as MCP restricts it
/// (`PrimitiveSchemaDefinition`). It knows no `null` and no format of a number;
/// what need not be filled in is not in `required`.
pub fn of_form<T: JsonSchema>() -> String {
    let mut schema = root::<T>(
        SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true),
    );
    let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
    for property in properties
        .into_iter()
        .flat_map(Map::values_mut)
        .filter_map(Value::as_object_mut)
    {
        if let Some(Value::Array(types)) = property.get_mut("type") {
            types.retain(|r#type| r#type != "null");
            if let [only] = &mut types[..] {
                let only = only.take();
                property.insert("type".to_owned(), only);
            }
        }
        if property
            .get("type")
            .is_some_and(|r#type| r#type != "string")
        {
            property.shift_remove("format");
        }
    }
    Value::Object(schema).to_string()
}

/// Without `$schema`, since the contract says that it is 2020-12, and without
/// a title that is but the name of the Rust type.
fn root<T: JsonSchema>(settings: SchemaSettings) -> Map<String, Value> {
    let generator = settings
        .with(|settings| settings.meta_schema = None)
        .into_generator();
    match generator.into_root_schema_for::<T>().to_value() {
        Value::Object(mut schema) => {
            if schema
                .get("title")
                .is_some_and(|title| *title == *T::schema_name())
            {
                schema.shift_remove("title");
            }
            schema
        }
        // `true`: any JSON.
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};
    use serde_json::{Value, json};

    fn json(schema: String) -> Value {
        schema.parse().unwrap()
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "lowercase")]
    enum Colour {
        Red,
        Green,
    }

    #[derive(Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only its schema is wanted")]
    struct Form {
        /// The one you like.
        colour: Colour,
        count: Option<u8>,
    }

    #[test]
    fn a_scalar_has_a_plain_schema() {
        assert_eq!(json(super::of_value::<String>()), json!({"type": "string"}));
        assert_eq!(json(super::of_value::<bool>()), json!({"type": "boolean"}));
        assert_eq!(json(super::of_value::<Value>()), json!({}));
    }

    #[test]
    fn a_form_is_flat_and_has_no_null() {
        assert_eq!(
            json(super::of_form::<Form>()),
            json!({
                "type": "object",
                "properties": {
                    "colour": {"type": "string", "enum": ["red", "green"], "description": "The one you like."},
                    "count": {"type": "integer", "minimum": 0, "maximum": 255},
                },
                "required": ["colour"],
            })
        );
    }
}
