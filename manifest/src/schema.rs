//! The manifest's JSON Schema, for editors.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings, json_schema};
use serde_json::Value;

use crate::{
    ByteSize, Count, Duration, Fuel, SourceName, SourceRef, ToolPrefix, Version,
    document::{Document, Short},
};

/// The JSON Schema (draft 2020-12) of what [`Manifest::parse`](crate::Manifest::parse) accepts, as far
/// as a schema can say it: it cannot compare sizes or read paths.
pub fn json_schema() -> Value {
    SchemaSettings::draft2020_12()
        .into_generator()
        .into_root_schema_for::<Document>()
        .to_value()
}

/// A whole number as text; in YAML a number with `_` is text.
const NUMBER: &str = "[0-9]+(_[0-9]+)*";

/// A schema that stands where it is used, under a description of its own there.
macro_rules! inline_schema {
    ($($type:ty => $schema:expr),+ $(,)?) => {$(
        impl JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    )+};
}

inline_schema! {
    Version => json_schema!({ "const": Version::NUMBER }),
    Fuel => positive(u64::MAX),
    Count => positive(u32::MAX.into()),
    ByteSize => json_schema!({ "oneOf": [
        { "type": "integer", "minimum": 0 },
        { "type": "string", "pattern": format!("^{NUMBER}(KiB|MiB|GiB)?$") },
    ]}),
    // The text must hold a digit that is not 0.
    Duration => json_schema!({
        "type": "string",
        "pattern": format!("^{}(ms|s|m|h)$", positive_text()),
    }),
    ToolPrefix => name(),
    SourceName => name(),
    // As SourceRef reads it: a path that looks like one, or anything after `file:` but a host.
    SourceRef => json_schema!({ "type": "string", "anyOf": [
        { "pattern": r"^(\.{0,2}|~)/" },
        { "pattern": r"^(\.{1,2}|~)$" },
        { "pattern": r"^(?![A-Za-z][A-Za-z0-9+.-]*:).*(\.wasm|/)$" },
        { "pattern": r"^file:(///|/?[^/]|/$)" },
    ]}),
}

fn positive_text() -> String {
    "(?=[0_]*[1-9])".to_owned() + NUMBER
}

fn positive(most: u64) -> Schema {
    json_schema!({ "oneOf": [
        { "type": "integer", "minimum": 1, "maximum": most },
        { "type": "string", "pattern": format!("^{}$", positive_text()) },
    ]})
}

fn name() -> Schema {
    json_schema!({ "type": "string", "pattern": "^[A-Za-z0-9_.-]{1,64}$" })
}

/// Either form of what may be written in short.
impl<T: JsonSchema> JsonSchema for Short<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("{}OrSource", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let reference = generator.subschema_for::<SourceRef>();
        let full = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [reference, full] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        manifest::tests::{FULL, origin, parse},
        yaml,
    };

    #[test]
    fn the_schema_accepts_what_the_parser_accepts() {
        let schema = json_schema();
        let validator = jsonschema::validator_for(&schema).expect("a valid schema");
        let check = |text: &str| {
            let value: serde_json::Value = yaml::read(text, &origin()).expect(text);
            let valid = validator.is_valid(&value);
            assert_eq!(
                valid,
                parse(text).is_ok(),
                "{text}: {:?}",
                parse(text).err()
            );
        };
        for text in [
            // A number in a list of names is text to YAML's reader, but not to JSON.
            &FULL.replace(", 12]", "]"),
            "./x.wasm",
            "hello",
            "{}",
            "[]",
            "tools: []",
            "tols: []",
            "tools: ~",
            "version: 1",
            "version: 2",
            "version: 1\nengine: {}",
            "engine: {}",
            "defaults: {}",
            "version: 1\ndefaults: { limits: ~ }",
            "version: 1\nengine: { max_instances: 0 }",
            "version: 1\nengine: { cache_dir: '' }",
            "tools: [{ name: a }]",
            "tools: [{ source: ./x.wasm, audit: 1 }]",
            "tools: [{ source: ./x.wasm, include: [] }]",
            "tools: [{ source: ./x.wasm, include: [a], exclude: [b] }]",
            "tools: [{ source: ./x.wasm, exclude: [b] }]",
            "tools: [{ source: ./x.wasm, prefix: 'a b' }]",
            "tools: [{ source: ./x.wasm, limits: { queue: { length: 0 } } }]",
        ] {
            check(text);
        }
        for (key, values) in [
            ("fuel", "1 0 -1 '1_000' '1__0' '0_0' 1.5 10k true"),
            ("concurrency", "1 0 '32' '00' 4294967296"),
            ("memory", "65536 '65536' 64KiB 1_00MiB 1MB 1.5MiB -1 ''"),
            ("timeout", "1s 250ms 0s 00m 10 10d 1_0h"),
            ("log", "0 '0' 1KiB"),
        ] {
            for value in values.split(' ') {
                check(&format!(
                    "tools: [{{ source: ./x.wasm, limits: {{ {key}: {value} }} }}]"
                ));
            }
        }
        for source in [
            "/x",
            "./x",
            "../x",
            "~/x",
            ".",
            "..",
            "~",
            "x.wasm",
            "a/",
            "a/b.wasm",
            "x",
            "a/b",
            "file:x",
            "file:",
            "file:/x",
            "file:///x",
            "file://x",
            "file:./x",
            "oci://x/y",
            "oci://x.wasm",
            "https://x/",
            "./a:b",
            "secret://a/b/c",
            "a/b:c.wasm",
        ] {
            check(&format!("tools: ['{source}']"));
        }
    }

    #[test]
    fn the_schema_tells_an_editor_what_keys_mean_and_what_they_default_to() {
        let schema = json_schema();
        let limits = &schema["$defs"]["Limits"]["properties"];
        assert_eq!(limits["timeout"]["default"], "10s");
        assert_eq!(limits["memory"]["default"], "128MiB");
        for (name, definition) in schema["$defs"].as_object().expect("definitions") {
            for (key, property) in definition["properties"].as_object().into_iter().flatten() {
                assert!(property["description"].is_string(), "{name}.{key}");
            }
        }
    }
}
