//! The manifest's JSON Schema, for editors.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings, json_schema};
use serde_json::Value;

use crate::{
    Access, ByteSize, CertificateIdentity, Count, Duration, Fuel, HostPattern, JwtAlgorithm, Part,
    PathPrefix, Scope, SourceName, SourcePattern, SourceRef, StoreName, TenantName, ToolPrefix,
    Version,
    allow::GuestPath,
    audit::AuditWord,
    document::{Document, Short},
    host::{HostAndPort, Port},
    http_rule::{HeaderKey, MethodName},
    identity::{CallerName, TokenHash},
    kubernetes,
    list::OneOrMore,
    parts::WholeOrParts,
    secret::EnvName,
    store::StoreWord,
    url::{IssuerUrl, PublicUrl},
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
    Part => any_of(&part_patterns()),
    // A registry, a repository, and a tag or a digest; a URL and a digest.
    SourceRef => any_of(&[
        part_patterns(),
        vec![oci_pattern(), format!("^https://[^@?#/]+/[^@?#]+@{DIGEST}$")],
    ].concat()),
    SourcePattern => text(&pattern_pattern()),
    CertificateIdentity => text(r"^([^\s*]+|[^\s*]*[/@]\*)$"),
    Access => json_schema!({ "enum": ["read", "read-write"] }),
    AuditWord => json_schema!({ "enum": ["stdout", "file"] }),
    StoreWord => json_schema!({ "enum": ["embedded", "redis"] }),
    JwtAlgorithm => json_schema!({ "enum": JwtAlgorithm::WORDS.map(|(word, _)| word) }),
    HostPattern => text("^[^/?#@]+$"),
    HostAndPort => text("^[^/?#@]+$"),
    Port => json_schema!({ "oneOf": [
        { "type": "integer", "minimum": 1, "maximum": u16::MAX },
        { "type": "string", "pattern": "^0*[1-9][0-9]*$" },
    ]}),
    MethodName => text("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"),
    HeaderKey => text("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"),
    PathPrefix => text("^/[^?#*]*$"),
    GuestPath => text("^/"),
    EnvName => text("^[^=*]+$"),
    StoreName => name(),
    TenantName => text("^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"),
    CallerName => json_schema!({ "type": "string", "minLength": 1, "maxLength": 64 }),
    TokenHash => text("^[0-9A-Fa-f]{64}$"),
    Scope => text(r"^(management|tools:(\*|[^\s*]+))$"),
    IssuerUrl => text("^https?://[^@#]+$"),
    PublicUrl => text("^https?://[^@#?]+$"),
    OneOrMore => json_schema!({ "anyOf": [
        { "type": "string", "minLength": 1 },
        { "type": "array", "items": { "type": "string", "minLength": 1 }, "minItems": 1 },
    ]}),
}

/// As SourceRef reads files and keys: a path that looks like one, or anything after `file:` but a host; a ConfigMap's or
/// Secret's namespace, name and key.
fn part_patterns() -> Vec<String> {
    vec![
        r"^(\.{0,2}|~)/".to_owned(),
        r"^(\.{1,2}|~)$".to_owned(),
        r"^(?![A-Za-z][A-Za-z0-9+.-]*:).*(\.wasm|/)$".to_owned(),
        r"^file:(///|/?[^/]|/$)".to_owned(),
        kubernetes::pattern(),
    ]
}

fn any_of(patterns: &[String]) -> Schema {
    let patterns: Vec<Schema> = patterns
        .iter()
        .map(|pattern| json_schema!({ "pattern": pattern }))
        .collect();
    json_schema!({ "type": "string", "anyOf": patterns })
}

const DIGEST: &str = "sha256:[0-9A-Fa-f]{64}";

const HOST: &str = r"(localhost|[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+|[A-Za-z0-9.-]+:[0-9]{1,5}|\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?)";
const NAME: &str = r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*";

/// As SourcePattern reads it: a repository, all below a folder, or all.
fn pattern_pattern() -> String {
    format!(r"^oci://(\*|{HOST}((/{NAME})+(/\*)?|/\*))$")
}

fn oci_pattern() -> String {
    const TAG: &str = "[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}";
    format!("^oci://{HOST}(/{NAME})+(:{TAG}(@{DIGEST})?|@{DIGEST})$")
}

fn text(pattern: &str) -> Schema {
    json_schema!({ "type": "string", "pattern": pattern })
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
    text("^[A-Za-z0-9_.-]{1,64}$")
}

/// One source, or a list of parts.
impl JsonSchema for WholeOrParts {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "WholeOrParts".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let whole = generator.subschema_for::<SourceRef>();
        let part = generator.subschema_for::<Part>();
        json_schema!({ "anyOf": [whole, { "type": "array", "items": part, "minItems": 2 }] })
    }
}

/// Either form of what may be written in short.
impl<S: JsonSchema, T: JsonSchema> JsonSchema for Short<S, T> {
    fn schema_name() -> Cow<'static, str> {
        format!("{}Or{}", T::schema_name(), S::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let text = generator.subschema_for::<S>();
        let full = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [text, full] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        manifest::tests::{FULL, origin, parse},
        resolve::tests::FULL as GRANTS,
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
            GRANTS,
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
        for allow in [
            "{}",
            "{ env: {} }",
            "{ env: { A: b } }",
            "{ env: { A: 1 } }",
            "{ env: { 'A=': b } }",
            "{ env: { A: { secret: { file: a } } } }",
            "{ env: { A: { secret: { file: a, env: B } } } }",
            "{ env: { A: { secret: {} } } }",
            "{ env: { A: { secret: a } } }",
            "{ http: [] }",
            "{ http: [a.com, 'a.com:80', { host: a.com }] }",
            "{ http: ['https://a.com'] }",
            "{ http: [{ port: 1 }] }",
            "{ http: [{ host: a.com, port: 0 }] }",
            "{ http: [{ host: a.com, port: '80' }] }",
            "{ http: [{ host: a.com, methods: [] }] }",
            "{ http: [{ host: a.com, methods: ['a b'] }] }",
            "{ http: [{ host: a.com, path: v1 }] }",
            "{ http: [{ host: a.com, path: /v1 }] }",
            "{ http: [{ host: a.com, headers: {} }] }",
            "{ http: [{ host: a.com, headers: { 'a b': c } }] }",
            "{ http: [{ host: a.com, private: yes }] }",
            "{ files: [{ host: a, guest: /a }] }",
            "{ files: [{ host: a, guest: a }] }",
            "{ files: [{ host: '', guest: /a }] }",
            "{ files: [{ host: a, guest: /a, access: write }] }",
            "{ keyvalue: [] }",
            "{ keyvalue: ['a b'] }",
            "{ tcp: [] }",
        ] {
            check(&format!("tools: [{{ source: ./x.wasm, allow: {allow} }}]"));
        }
        for more in [
            "stores: {}",
            "stores: { c: { kind: embedded, path: a } }",
            "stores: { c: { kind: embedded } }",
            "stores: { c: { kind: embedded, url: 'redis://a' } }",
            "stores: { c: { kind: redis, url: 'redis://a' } }",
            "stores: { c: { kind: redis, url: 'redis://a', path: a } }",
            "stores: { c: { kind: sql } }",
            "stores: { 'a b': { kind: embedded, path: a } }",
            "tasks: {}",
            "tasks: { store: 'a b' }",
            "stores: { c: { kind: embedded, path: a } }\ntasks: { store: c }",
            "stores: { c: { kind: embedded, path: a } }\ntasks: { store: c, ttl: 1h }",
            "tenants: {}",
            "tenants: { a: { tools: [] } }",
            "tenants: { a: { tools: [], quota: {} } }",
            "tenants: { A: { tools: [] } }",
            "tenants: { default: { quota: { concurrency: 1 } } }",
            "identity: {}",
            "identity: { tokens: [] }",
            "identity: { tokens: [{ file: a }] }",
            "identity: { tokens: [{ file: a, scopes: [management] }] }",
            "identity: { tokens: [{ secret: { file: a }, scopes: [management] }] }",
            "identity: { tokens: [{ secret: { file: a }, scopes: [] }] }",
            "identity: { tokens: [{ secret: { file: a } }] }",
            "identity: { tokens: [{ sha256: a, scopes: [management] }] }",
            "identity: { jwt: [{ issuer: 'https://a', audience: b }] }",
            "identity: { jwt: [{ issuer: 'https://a', audience: [] }] }",
            "identity: { jwt: [{ issuer: 'https://a' }] }",
            "identity: { jwt: [{ issuer: 'https://a', audience: b, tenant_claim: c }] }",
            "identity: { jwt: [{ issuer: 'https://a', audience: b, tenant: default, tenant_claim: c }] }",
            "identity: { jwt: [{ issuer: 'https://a', audience: b, algorithms: [HS256] }] }",
            "require_signature: []",
            "require_signature: [{ source: 'oci://*' }]",
            "require_signature: [{ cosign: { key: a.pub } }]",
            "require_signature: [{ source: 'oci://*', cosign: { key: a.pub } }]",
            "audit: { to: stdout }",
            "audit: { to: stdout, keep: 1 }",
            "audit: { to: file }",
            "audit: { to: file, path: a, key: { secret: { env: B } } }",
        ] {
            check(&format!("version: 1\n{more}"));
            check(more);
        }
        check("tools: [{ source: ./x.wasm, allow: { env: { A: b } }, policy: ./p.yaml }]");
        for verify in [
            "{}",
            "{ cosign: {} }",
            "{ cosign: a.pub }",
            "{ cosign: { key: '' } }",
            "{ cosign: { key: [] } }",
            "{ cosign: { key: a.pub } }",
            "{ cosign: { key: [a.pub, b.pub] } }",
            "{ cosign: { key: a.pub, keys: b.pub } }",
            "{ cosign: { keyless: {} } }",
            "{ cosign: { keyless: { identity: a, issuer: 'https://b.c' } } }",
            "{ cosign: { keyless: { identity: '*', issuer: 'https://b.c', trust_root: d } } }",
            "{ cosign: { keyless: { identity: a, issuer: 'ftp://b.c', trust_root: d } } }",
            "{ cosign: { keyless: { identity: a, issuer: 'https://b.c', trust_root: d } } }",
            "{ cosign: { key: a.pub, keyless: { identity: 'https://a.b/*', issuer: 'https://b.c', trust_root: d } } }",
        ] {
            check(&format!(
                "tools: [{{ source: 'oci://x.io/y:1', verify: {verify} }}]"
            ));
        }
        for pattern in [
            "oci://*",
            "oci://x.io/*",
            "oci://x.io/y",
            "oci://x.io/y/*",
            "oci://x.io/y*",
            "oci://x.io/*/y",
            "oci://x.io",
            "oci://x.io/y:1",
            "oci://x/*",
            "./y/*",
            "*",
        ] {
            check(&format!(
                "version: 1\nrequire_signature: [{{ source: '{pattern}', cosign: {{ key: a.pub }} }}]"
            ));
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
            "https://x/y.wasm",
            "https://x@sha256:0",
            "oci://x/y:1",
            "oci://x.io/y",
            "oci://x.io/y:1",
            "oci://x.io/Y:1",
            "oci://x.io/a/b-c__d:1",
            "oci://x.io/a/b___d:1",
            "oci://x.io/a//b:1",
            "oci://x.io/a:-1",
            "oci://localhost/y:1",
            "oci://x:5000/y:1",
            "oci://x:/y:1",
            "oci://[::1]:5000/y:1",
            "oci://x.io/y@sha256:0",
            "oci://x.io/y:1@",
            "./a:b",
            "a/b:c.wasm",
            "secret://a/b/c",
            "configmap://a/b/c",
            "configmap://a/b.c-d/E_f.-",
            "configmap://a/b",
            "configmap://a/b/c/d",
            "configmap:a/b/c",
            "configmap://A/b/c",
            "configmap://a.b/b/c",
            "configmap://a-/b/c",
            "configmap://a/b..c/c",
            "configmap://a/-b/c",
            "configmap://a/b/",
            "configmap://a/b/.",
            "configmap://a/b/.c",
            "configmap://a/b/..c",
            "configmap://a/b/c*",
        ] {
            check(&format!("tools: ['{source}']"));
        }
        for (label, name, key) in [(63, 253, 253), (64, 1, 1), (1, 254, 1), (1, 1, 254)] {
            let (label, name, key) = ("a".repeat(label), "a".repeat(name), "a".repeat(key));
            check(&format!("tools: ['secret://{label}/{name}/{key}']"));
        }
        for list in [
            "[]",
            "[./a]",
            "[./a, ./b]",
            "[./a, secret://a/b/c, configmap://a/b/c]",
            "[./a, oci://x.io/y:1]",
            "[./a, [./b, ./c]]",
            "[./a, '']",
        ] {
            check(&format!("tools: [{{ source: {list} }}]"));
            check(&format!("tools: [{list}]"));
        }
        let digest = format!("sha256:{}", "0f".repeat(32));
        for source in [
            "oci://x.io/y",
            "oci://x.io/y:1",
            "oci://y",
            "https://x/y.wasm",
            "https://x/y?z=1",
            "https://x/y#z",
            "https://u:p@x/y",
            "https://x",
            "https://x/",
            "http://x/y",
        ] {
            check(&format!("tools: ['{source}@{digest}']"));
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
