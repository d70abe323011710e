//! Any bytes are a REST call or a refusal, and any arguments fit a schema or are refused in words.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use sandglass::catalog::schema::Schema;
use sandglass::serve::rest;
use serde_json::Value;

/// One with each kind of check.
static KNOWN: LazyLock<Schema> = LazyLock::new(|| {
    Schema::compile_object(
        r##"{
            "type": "object",
            "properties": {
                "a": { "type": "integer", "minimum": -3, "maximum": 9007199254740993 },
                "b": { "type": ["number", "null"], "multipleOf": 0.5 },
                "c": { "type": "string", "pattern": "^[a-z]+$", "maxLength": 5 },
                "d": { "type": "array", "items": { "$ref": "#/$defs/d" }, "uniqueItems": true },
                "e": { "anyOf": [{ "const": 1 }, { "enum": ["x", {}] }] }
            },
            "required": ["a"],
            "additionalProperties": false,
            "$defs": { "d": { "type": "object", "properties": { "d": { "$ref": "#/$defs/d" } } } }
        }"##,
    )
    .expect("a schema")
});

fuzz_target!(|input: (&str, &[u8])| {
    let (schema, body) = input;
    let Ok(asked) = rest::decode(body) else {
        return;
    };
    assert!(!asked.name.is_empty());
    let Ok(arguments) = asked.arguments else {
        return;
    };
    let arguments = Value::Object(arguments);
    check(&KNOWN, arguments.clone());
    if let Ok(schema) = Schema::compile_object(schema) {
        check(&schema, arguments);
    }
});

fn check(schema: &Schema, mut arguments: Value) {
    schema.make_integral(&mut arguments);
    if let Err(problem) = schema.check(&arguments) {
        assert!(!problem.is_empty());
    }
}
