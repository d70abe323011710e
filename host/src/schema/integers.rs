//! Integers have 64 bits here: one beyond them was rounded to a float when its JSON was read. JSON Schema takes it for an
//! integer all the same, so a keyword of our own refuses it where a schema asks for integers.

use jsonschema::{Keyword, ValidationError};
use serde_json::{Map, Value};

use super::subschemas;

/// What [`ask_for_64_bits`] adds.
pub const KEYWORD: &str = "x-sandglass-64-bits";

/// Whether a schema takes integers and no other numbers.
pub fn are_asked_for(schema: &Map<String, Value>) -> bool {
    match schema.get("type") {
        Some(Value::String(name)) => name == "integer",
        Some(Value::Array(names)) => {
            names.iter().any(|name| name == "integer") && !names.iter().any(|name| name == "number")
        }
        _ => false,
    }
}

/// Adds the keyword wherever a schema asks for integers.
pub fn ask_for_64_bits(schema: &mut Value) {
    subschemas::change(schema, &|schema| {
        if are_asked_for(schema) {
            schema.insert(KEYWORD.to_owned(), Value::Bool(true));
        }
    });
}

/// Says so in a schema's standard keywords, for who does not know ours.
pub fn bound(schema: &mut Map<String, Value>) {
    if !are_asked_for(schema) {
        return;
    }
    for (keyword, exclusive, bound) in [
        ("minimum", "exclusiveMinimum", Value::from(i64::MIN)),
        ("maximum", "exclusiveMaximum", Value::from(u64::MAX)),
    ] {
        if !schema.contains_key(exclusive) {
            schema.entry(keyword).or_insert(bound);
        }
    }
}

/// The keyword itself.
pub struct Has64Bits;

impl<'i> Keyword<'i> for Has64Bits {
    fn validate(&self, instance: &'i Value) -> Result<(), ValidationError<'i>> {
        if self.is_valid(instance) {
            return Ok(());
        }
        Err(ValidationError::custom(format!(
            "the integer is beyond 64 bits; it must be from {} to {}",
            i64::MIN,
            u64::MAX
        )))
    }

    fn is_valid(&self, instance: &'i Value) -> bool {
        match instance {
            // -2^63 and 2^64 as floats may have been other integers, and what lies between is no float here.
            Value::Number(number) if number.is_f64() => number
                .as_f64()
                .is_none_or(|float| float.abs() < 9_223_372_036_854_775_808.0),
            _ => true,
        }
    }
}
