//! Parts of the schema that are wider than Rust's types.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray,
};
use schemars::{Schema, SchemaGenerator, json_schema};

/// An object whose keys are checked by the operator.
pub fn any_object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "nullable": true,
        "x-kubernetes-preserve-unknown-fields": true,
    })
}

/// A number, or a text such as `50%`.
pub fn int_or_string(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "nullable": true, "x-kubernetes-int-or-string": true })
}

/// A phase. (Schemars would add `null` to the words, which API servers before 1.21 cannot keep.)
pub fn phase(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": ["Pending", "Ready", "Failed"] })
}

/// A number that an `i32` cannot hold is refused by the API server, which itself takes any in spite of `format: int32`: what
/// nobody could read would stand in the way of every other object.
pub fn bound_integers(schema: &mut JSONSchemaProps) {
    if schema.format.as_deref() == Some("int32") {
        schema.minimum.get_or_insert(i32::MIN.into());
        schema.maximum.get_or_insert(i32::MAX.into());
    }
    each_part(schema, bound_integers);
}

/// What is not written is left out when it is read too: nothing is to be written into objects of others.
pub fn drop_defaults(schema: &mut JSONSchemaProps) {
    schema.default = None;
    each_part(schema, drop_defaults);
}

fn each_part(schema: &mut JSONSchemaProps, change: fn(&mut JSONSchemaProps)) {
    schema
        .properties
        .iter_mut()
        .flatten()
        .for_each(|(_, property)| change(property));
    match &mut schema.items {
        Some(JSONSchemaPropsOrArray::Schema(items)) => change(items),
        Some(JSONSchemaPropsOrArray::Schemas(items)) => items.iter_mut().for_each(change),
        None => {}
    }
}
