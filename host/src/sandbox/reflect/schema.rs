//! JSON schemas (2020-12) of shapes. The forms are those that users of Wassette know.

use serde_json::{Map, Value, json};

use super::shape::{Case, Field, Shape};

/// Which way a value goes: what may be left out of an argument is always there in a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// To the guest.
    In,
    /// From the guest.
    Out,
}

/// The schema of an object with these fields: of a record, or of a function's arguments.
pub(super) fn object(fields: &[Field], way: Way) -> Value {
    let required = fields
        .iter()
        .filter(|field| way == Way::Out || !field.shape.is_option())
        .map(|field| field.name.as_str());
    closed(
        fields
            .iter()
            .map(|field| (field.name.as_str(), schema(&field.shape, way))),
        required,
    )
}

/// The schema of a shape.
pub(super) fn schema(shape: &Shape, way: Way) -> Value {
    match shape {
        Shape::Bool => json!({"type": "boolean"}),
        Shape::Integer(integer) => {
            let (minimum, maximum) = integer.range();
            json!({"type": "integer", "minimum": minimum, "maximum": maximum})
        }
        Shape::F32 if way == Way::In => {
            json!({"type": "number", "minimum": f32::MIN, "maximum": f32::MAX})
        }
        Shape::F64 if way == Way::In => json!({"type": "number"}),
        // `pattern` holds for strings only.
        Shape::F32 | Shape::F64 => {
            json!({"type": ["number", "string"], "pattern": "^(NaN|-?Infinity)$"})
        }
        Shape::Char => json!({"type": "string", "minLength": 1, "maxLength": 1}),
        Shape::String => json!({"type": "string"}),
        Shape::List(item) => json!({"type": "array", "items": schema(item, way)}),
        Shape::Tuple(items) => json!({
            "type": "array",
            "prefixItems": items.iter().map(|item| schema(item, way)).collect::<Vec<_>>(),
            "minItems": items.len(),
            "maxItems": items.len(),
        }),
        Shape::Record(fields) => object(fields, way),
        Shape::Variant(cases) => {
            json!({"anyOf": cases.iter().map(|case| self::case(case, way)).collect::<Vec<_>>()})
        }
        Shape::Enum(names) => json!({"type": "string", "enum": names}),
        Shape::Flags(names) => {
            let required = match way {
                Way::In => &[],
                Way::Out => names.as_slice(),
            };
            closed(
                names
                    .iter()
                    .map(|name| (name.as_str(), json!({"type": "boolean"}))),
                required.iter().map(String::as_str),
            )
        }
        Shape::Option(some) => json!({"anyOf": [{"type": "null"}, inside_option(some, way)]}),
        Shape::Result { ok, err } => {
            let payload = |shape: &Option<Box<Shape>>| match shape {
                Some(shape) => schema(shape, way),
                None => json!({"type": "null"}),
            };
            json!({"anyOf": [
                closed([("ok", payload(ok))].into_iter(), ["ok"].into_iter()),
                closed([("err", payload(err))].into_iter(), ["err"].into_iter()),
            ]})
        }
    }
}

/// An option in an option would be `null` twice: the inner one stands in an object.
fn inside_option(some: &Shape, way: Way) -> Value {
    let inner = schema(some, way);
    if some.is_option() {
        closed([("some", inner)].into_iter(), ["some"].into_iter())
    } else {
        inner
    }
}

fn case(case: &Case, way: Way) -> Value {
    let tag = ("tag", json!({"const": case.name}));
    match &case.payload {
        None => closed([tag].into_iter(), ["tag"].into_iter()),
        Some(payload) => closed(
            [tag, ("val", schema(payload, way))].into_iter(),
            ["tag", "val"].into_iter(),
        ),
    }
}

/// An object with these properties and no others.
fn closed<'a>(
    properties: impl Iterator<Item = (&'a str, Value)>,
    required: impl Iterator<Item = &'a str>,
) -> Value {
    let properties: Map<String, Value> = properties
        .map(|(name, schema)| (name.to_owned(), schema))
        .collect();
    let required: Vec<&str> = required.collect();
    let mut object = json!({"type": "object", "properties": properties});
    if !required.is_empty() {
        object["required"] = json!(required);
    }
    object["additionalProperties"] = json!(false);
    object
}
