//! A tool whose schema says more than Rust's types.

use sandglass_sdk::{serde_json::Value, tool};

const SCHEMA: &str = r##"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "$defs": {
    "address": {
      "$anchor": "addressDef",
      "type": "object",
      "properties": {"street": {"type": "string"}, "city": {"type": "string"}}
    }
  },
  "properties": {
    "name": {"type": "string"},
    "address": {"$ref": "#/$defs/address"},
    "contactMethod": {"type": "string", "enum": ["phone", "email"]},
    "phone": {"type": "string"},
    "email": {"type": "string"}
  },
  "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
  "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
  "then": {"required": ["phone"]},
  "else": {"required": ["email"]},
  "additionalProperties": false
}"##;

/// Tool with JSON Schema 2020-12 features.
#[tool(input_schema = SCHEMA)]
pub fn json_schema_2020_12_tool(
    name: Option<String>,
    address: Option<Value>,
    #[serde(rename = "contactMethod")] contact_method: Option<String>,
    phone: Option<String>,
    email: Option<String>,
) -> String {
    let by = contact_method.as_deref().unwrap_or("email");
    let to = phone.or(email).unwrap_or_default();
    let at = address.unwrap_or_default();
    format!("{} by {by} to {to} at {at}", name.unwrap_or_default())
}
