//! Schemas, patterns and templates of strangers: none is more than it may be, and none costs more than it was counted for.

use std::hint::black_box;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{Account, Form, Schema, SchemaError, TemplateError, UriTemplate};

fn compile(schema: &Value) -> Result<Schema, SchemaError> {
    Schema::compile(&schema.to_string(), &mut Account::default())
}

fn refused(schema: &Value) -> SchemaError {
    let text = schema.to_string();
    let start = text[..text.len().min(300)].to_owned();
    compile(schema)
        .err()
        .unwrap_or_else(|| panic!("accepted: {start}"))
}

/// A tree of this depth, `{"a": {"a": ..}}`.
fn tree(depth: usize) -> Value {
    (0..depth).fold(json!({}), |inner, _| json!({"a": inner}))
}

/// Definitions `d0`, `d1`, .. each of which is made of the reference to the next; the last one is a string.
fn chain(length: usize, link: impl Fn(Value) -> Value) -> Map<String, Value> {
    let next = |level| json!({"$ref": format!("#/$defs/d{}", level + 1)});
    let mut definitions: Map<_, _> = (0..length)
        .map(|level| (format!("d{level}"), link(next(level))))
        .collect();
    definitions.insert(format!("d{length}"), json!({"type": "string"}));
    definitions
}

fn too_much(schema: &Schema, instance: &Value) -> bool {
    schema
        .check(instance)
        .is_err_and(|error| error.contains("too deep or too large"))
}

#[test]
fn a_long_chain_of_references_in_place_is_refused() {
    for link in [
        |next: Value| next,
        |next: Value| json!({"allOf": [next]}),
        |next: Value| json!({"anyOf": [true, next]}),
        |next: Value| json!({"not": next}),
        |next: Value| json!({"if": next}),
        |next: Value| json!({"dependentSchemas": {"a": next}}),
        |next: Value| json!({"unevaluatedProperties": false, "allOf": [next]}),
    ] {
        let defs = chain(2_500, link);
        let schema = json!({"properties": {"a": {"$ref": "#/$defs/d0"}}, "$defs": defs});
        assert!(matches!(refused(&schema), SchemaError::Depth(_)));
    }
}

#[test]
fn chains_that_are_as_long_as_may_be_do_not_overflow() {
    for link in [
        |next: Value| next,
        |next: Value| json!({"allOf": [next]}),
        |next: Value| json!({"anyOf": [next, false]}),
        |next: Value| json!({"oneOf": [next, false]}),
        |next: Value| json!({"allOf": [next], "unevaluatedProperties": false}),
    ] {
        let length = [126, 60, 20, 6];
        let made = length
            .map(|length| compile(&json!({"$ref": "#/$defs/d0", "$defs": chain(length, link)})));
        let schema = made
            .into_iter()
            .find_map(Result::ok)
            .expect("one is short enough");
        _ = schema.check(&json!("x"));
        _ = schema.check(&json!(1));
    }
    // References to places below have no bound but the text's.
    let below = |next: Value| json!({"type": "object", "properties": {"a": next}});
    let schema = json!({"$ref": "#/$defs/d0", "$defs": chain(3_000, below)});
    assert!(compile(&schema).unwrap().check(&tree(100)).is_ok());
    // Nesting in the document, and references between the nested.
    for keyword in ["allOf", "items"] {
        let nested = |inner: Value, depth| {
            (0..depth).fold(inner, |inner, _| match keyword {
                "allOf" => json!({"allOf": [inner]}),
                _ => json!({"items": inner}),
            })
        };
        let deep = |next: Value| nested(next, if keyword == "allOf" { 6 } else { 23 });
        let schema = json!({"$ref": "#/$defs/d0", "$defs": chain(20, deep)});
        match compile(&schema) {
            Ok(schema) => _ = schema.check(&json!("x")),
            Err(error) => assert!(matches!(error, SchemaError::Depth(_)), "{error}"),
        }
    }
}

#[test]
fn a_value_as_deep_as_json_nests_does_not_overflow() {
    let link = |next: Value| json!({"allOf": [next]});
    let mut defs = chain(29, link);
    defs.insert(
        "d29".to_owned(),
        json!({"properties": {"a": {"$ref": "#/$defs/d0"}}, "maxProperties": 1, "additionalProperties": false}),
    );
    let schema = compile(&json!({"$ref": "#/$defs/d0", "$defs": defs})).unwrap();
    let mut deepest = 0;
    for depth in 1..125 {
        let mut wrong = tree(depth);
        if too_much(&schema, &wrong) {
            break;
        }
        deepest = depth;
        assert_eq!(schema.check(&wrong), Ok(()));
        let inner = (0..depth).fold(&mut wrong, |value, _| &mut value["a"]);
        inner["b"] = json!(1);
        assert!(schema.check(&wrong).is_err());
    }
    assert!((10..100).contains(&deepest), "{deepest}");
}

#[test]
fn what_would_be_compiled_without_end_is_refused() {
    let many: Vec<Value> = (0..20_000).map(|_| json!({})).collect();
    assert!(matches!(
        refused(&json!({"allOf": many})),
        SchemaError::Subschemas(_)
    ));
    // The place of each is kept with it.
    let leaves: Map<String, Value> = (0..5_000)
        .map(|n| (n.to_string(), json!({"type": "null"})))
        .collect();
    let schema = json!({"properties": {"x".repeat(100_000): {"properties": leaves}}});
    assert!(matches!(refused(&schema), SchemaError::Compiled(_)));
    // Looked into again at each level.
    let twice = |next: Value| json!({"allOf": vec![next; 9], "unevaluatedProperties": false});
    let defs = chain(6, twice);
    let schema = json!({"$ref": "#/$defs/d0", "$defs": defs});
    assert!(matches!(refused(&schema), SchemaError::Compiled(_)));
    let twice = |next: Value| json!({"anyOf": vec![next; 9]});
    let schema =
        json!({"$ref": "#/$defs/d0", "$defs": chain(6, twice), "unevaluatedProperties": false});
    assert!(matches!(refused(&schema), SchemaError::Compiled(_)));
    // A component has so much for all its schemas.
    let leaves: Map<String, Value> = (0..5_000)
        .map(|n| (n.to_string(), json!({"type": "null"})))
        .collect();
    let text = json!({"properties": leaves}).to_string();
    let mut account = Account::default();
    let taken = (0..100)
        .take_while(|_| Schema::compile(&text, &mut account).is_ok())
        .count();
    assert!((2..50).contains(&taken), "{taken}");
}

#[test]
fn patterns_are_bounded_each_and_together() {
    for (pattern, why) in [
        (r"\p{L}{40}N".repeat(20), "compiled"),
        ("(?:(?:a{100}){100}){100}".to_owned(), "compiled"),
        ("()".repeat(2_000), "compiled"),
        (format!("(?={})", r"\p{L}{60}".repeat(5)), "compiled"),
        ("a".repeat(5_000), "bytes"),
        ("(".to_owned(), "ECMA"),
    ] {
        for schema in [
            json!({"pattern": pattern}),
            json!({"patternProperties": {&pattern: true}}),
        ] {
            let error = refused(&schema).to_string();
            assert!(error.contains(why), "{error}");
        }
    }
    let properties: Map<String, Value> = (0..400)
        .map(|n| {
            (
                n.to_string(),
                json!({"pattern": format!(r"\p{{L}}{{10}}N{n}")}),
            )
        })
        .collect();
    let error = refused(&json!({"properties": properties}));
    assert!(matches!(error, SchemaError::Exhausted(_)), "{error}");
    let spaces: Map<String, Value> = (0..100)
        .map(|n| {
            (
                n.to_string(),
                json!({"pattern": format!("{}{n}", r"\s".repeat(50))}),
            )
        })
        .collect();
    let error = refused(&json!({"properties": spaces}));
    assert!(
        matches!(error, SchemaError::Exhausted(_) | SchemaError::Pattern(..)),
        "{error}"
    );
}

#[test]
fn ordinary_patterns_are_taken_and_match() {
    for (pattern, fits, not) in [
        (r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", "a-b", "-a"),
        (r"^[^@\s]+@[^@\s]+\.[^@\s]+$", "a@b.c", "a@b"),
        (r"^\d{4}-\d{2}-\d{2}$", "2026-12-01", "2026-12-1"),
        (r"^\p{L}[\p{L}\p{M}' -]{0,20}$", "Ødegård", "1"),
        (r"^(?=.*[A-Z])(?=.*\d).{8,}$", "Abcdefg1", "abcdefg1"),
        (r"^(?!\s*$).+", "a", "  "),
        (r"(?<!\d)\d{3}(?!\d)", "a123b", "1234"),
        (r"^(.)\1$", "aa", "ab"),
        (r"^[(?=]\\1$", r"(\1", "a"),
        (r"^#?([a-f0-9]{6}|[a-f0-9]{3})$", "#abcdef", "#ab"),
    ] {
        let schema = compile(&json!({"pattern": pattern}))
            .unwrap_or_else(|error| panic!("{pattern}: {error}"));
        assert_eq!(schema.check(&json!(fits)), Ok(()), "{pattern}");
        assert!(schema.check(&json!(not)).is_err(), "{pattern}");
        let names = compile(&json!({"patternProperties": {pattern: {"type": "null"}}})).unwrap();
        assert!(names.check(&json!({fits: 1, not: 1})).is_err(), "{pattern}");
        assert!(names.check(&json!({not: 1})).is_ok(), "{pattern}");
    }
}

#[test]
fn what_depends_on_the_length_of_a_string_is_counted_by_it() {
    let long = json!("x".repeat(4_000_000));
    let all = |each: Value, times| compile(&json!({"allOf": vec![each; times]})).unwrap();
    for (schema, is_long_too_much) in [
        (all(json!({"minLength": 1}), 5_000), true),
        (all(json!({"pattern": "^(x|zN)*$"}), 100), true),
        (all(json!({"pattern": "[xy]*x[xy]{300}z"}), 1), true),
        (all(json!({"pattern": "(?=x*y)z"}), 1), true),
        (all(json!({"enum": ["a", "b"]}), 2_000), true),
        (
            all(json!({"minLength": 1, "maxLength": 5_000_000}), 1),
            false,
        ),
        (all(json!({"pattern": "^(x|zN)*$"}), 1), false),
    ] {
        assert_eq!(too_much(&schema, &long), is_long_too_much, "{schema:?}");
        assert!(!too_much(&schema, &json!("xxx")), "{schema:?}");
        assert!(schema.may_take(&long, Duration::from_micros(200)));
    }
    let ordinary = compile(&json!({"type": "object", "properties": {
        "host": {"type": "string", "pattern": r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"},
        "count": {"type": "integer", "minimum": 0},
        "mode": {"enum": ["fast", "slow"]},
    }, "required": ["host"], "additionalProperties": false}))
    .unwrap();
    let arguments = json!({"host": "example", "count": 3, "mode": "fast"});
    assert!(!ordinary.may_take(&arguments, Duration::from_micros(200)));
}

#[test]
fn what_is_applied_again_and_again_is_counted() {
    let twice = json!({"properties": {"a": {"$ref": "#/$defs/twice"}}});
    let schema =
        compile(&json!({"$defs": {"twice": {"allOf": [twice, twice]}}, "$ref": "#/$defs/twice"}))
            .unwrap();
    assert!(!too_much(&schema, &tree(8)));
    assert!(too_much(&schema, &tree(30)));
    let schema = compile(&json!({"properties": {"a": {"$ref": "#"}, "b": {"$ref": "#"}}, "additionalProperties": false})).unwrap();
    assert!(!too_much(&schema, &tree(120)));
    let chain = chain(40, |next| {
        let next = json!({"properties": {"a": next}});
        json!({"allOf": [next, next]})
    });
    let schema = compile(&json!({"$ref": "#/$defs/d0", "$defs": chain})).unwrap();
    assert!(too_much(&schema, &tree(40)));
    assert!(!too_much(&schema, &tree(5)));
    let cases: Vec<Value> = (0..1_000).map(|case| json!({"const": case})).collect();
    let names: Vec<String> = (0..1_000).map(|name| name.to_string()).collect();
    let known: Map<String, Value> = names
        .iter()
        .map(|name| (name.clone(), json!(true)))
        .collect();
    for each in [
        json!({"anyOf": cases}),
        json!({"enum": names}),
        json!({"required": names}),
        json!({"properties": known}),
    ] {
        let schema = compile(&json!({"items": each})).unwrap();
        assert!(too_much(&schema, &json!(vec![json!({}); 10_000])), "{each}");
    }
    let schema =
        compile(&json!({"items": {"type": "object", "properties": {"a": {"type": "string"}}}}))
            .unwrap();
    assert!(!too_much(&schema, &json!(vec![json!({"a": "b"}); 10_000])));
}

#[test]
fn a_reference_means_the_same_to_all_who_follow_it() {
    let bomb = json!({"type": "string"});
    for schema in [
        json!({"$defs": {"a": {"$id": "x:y", "$ref": "#/b"}}, "b": true}),
        json!({"$defs": {"a": {"$anchor": "a"}, "b": {"$anchor": "a", "not": {}}}, "$ref": "#a"}),
        json!({"const": {"$anchor": "a"}, "$defs": {"b": {"$anchor": "a"}}, "$ref": "#a"}),
        json!({"$schema": "http://example.com/mine", "type": "object"}),
        json!({"$defs": {"a": {"$schema": "http://json-schema.org/draft-07/schema#"}}}),
        json!({"$schema": "http://json-schema.org/draft-04/schema#", "definitions": {"a": {"id": "x:y"}}}),
        json!({"$ref": "#/%"}),
    ] {
        refused(&schema);
    }
    // Percent-encoding is undone once, by both.
    let schema =
        compile(&json!({"$ref": "#/$defs/a%20b", "$defs": {"a b": bomb, "a%20b": true}})).unwrap();
    assert!(schema.check(&json!(1)).is_err());
    for schema in [
        json!({"$id": "https://example.com/a", "properties": {"id": {"type": "string"}, "$id": true}, "$ref": "#/$defs/a", "$defs": {"a": {"$anchor": "a"}}}),
        json!({"$schema": "http://json-schema.org/draft-07/schema#", "type": "array"}),
        json!({"$ref": "#node", "$defs": {"node": {"$dynamicAnchor": "node", "items": {"$dynamicRef": "#node"}}}}),
    ] {
        let compiled = compile(&schema).unwrap_or_else(|error| panic!("{schema}: {error}"));
        assert_eq!(compiled.check(&json!([])), Ok(()), "{schema}");
    }
}

#[test]
fn templates_cost_a_walk_an_expression_and_no_more() {
    let many = format!("a:{}", "{x}".repeat(17));
    assert!(matches!(
        UriTemplate::parse(&many),
        Err(TemplateError::Expressions(17))
    ));
    let variables = vec!["x"; 900].join(",");
    let template = UriTemplate::parse(&format!("a:{{{variables}}}")).unwrap();
    assert!(template.matches(&format!("a:{}", vec!["y"; 900].join(","))));
    assert!(!template.matches(&format!("a:{}", vec!["y"; 901].join(","))));
    let mut account = Account::default();
    assert_eq!(
        (0..1_000)
            .take_while(|_| account.template().is_ok())
            .count(),
        100
    );
}

#[test]
fn a_form_is_what_clients_get() {
    let form = json!({"type": "object", "properties": {
        "name": {"type": "string", "minLength": 2, "x-order": 1},
        "age": {"type": "integer", "minimum": 0, "format": "uint8"},
    }, "required": ["name"], "additionalProperties": false});
    let form = Form::read(&form.to_string()).unwrap();
    assert!(!form.text().contains("x-order"));
    assert!(form.takes(r#"{"name": "Ada", "age": 3}"#));
    for wrong in [
        r#"{"name": "A"}"#,
        r#"{"age": 3}"#,
        r#"{"name": "Ada", "age": -1}"#,
        "[]",
        "{",
    ] {
        assert!(!form.takes(wrong), "{wrong}");
    }
    let of = |property: Value| json!({"type": "object", "properties": {"a": property}});
    let bomb = |next: Value| json!({"allOf": [next, next]});
    for wrong in [
        of(json!({"type": "string", "pattern": "("})),
        of(json!({"type": "string", "const": "a"})),
        of(json!({"$ref": "file:///etc/passwd"})),
        of(json!({"type": "object"})),
        json!({"type": "object", "properties": {}, "allOf": [{"$ref": "#/$defs/d0"}], "$defs": chain(40, bomb)}),
        of(json!({"type": "string", "description": "x".repeat(20_000)})),
        json!([]),
    ] {
        assert!(Form::read(&wrong.to_string()).is_err(), "{wrong}");
    }
}

fn keyword() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!({"type": "string"})),
        (1..50_u32).prop_map(|n| json!({"minLength": n, "maxLength": 100 * n})),
        prop_oneof![
            Just("^(a|bN)*$"),
            Just("[ab]*a[ab]{12}c"),
            Just("^(?!b)[a-z]*$"),
            Just("(a+)+c"),
            Just("a$"),
            Just(r"\p{L}+\d"),
            Just("(?=a*b)c"),
            Just("(a*)*\\1c"),
        ]
        .prop_map(|pattern| json!({"pattern": pattern})),
        prop::collection::vec("[ab]{0,40}", 1..40).prop_map(|cases| json!({"enum": cases})),
        Just(json!({"uniqueItems": true})),
        Just(json!({"required": ["a", "b"], "maxProperties": 5})),
        Just(
            json!({"patternProperties": {"^a": {"type": "string"}}, "additionalProperties": false})
        ),
        Just(json!({"propertyNames": {"maxLength": 3}})),
    ]
}

fn schemas() -> impl Strategy<Value = Value> {
    keyword().prop_recursive(5, 40, 4, |inner| {
        let list = prop::collection::vec(inner.clone(), 1..4);
        prop_oneof![
            inner.clone().prop_map(|one| json!({"items": one})),
            inner.clone().prop_map(|one| json!({"contains": one})),
            inner.clone().prop_map(|one| json!({"additionalProperties": one})),
            inner.clone().prop_map(|one| json!({"properties": {"a": one, "b": {"$ref": "#"}}})),
            inner.clone().prop_map(|one| json!({"not": one})),
            list.clone().prop_map(|all| json!({"allOf": all})),
            list.clone().prop_map(|all| json!({"anyOf": all})),
            list.clone().prop_map(|all| json!({"oneOf": all})),
            (list, inner).prop_map(|(all, one)| {
                json!({"anyOf": all, "properties": {"a": one}, "unevaluatedProperties": {"type": "null"}, "unevaluatedItems": false})
            }),
        ]
    })
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<i32>().prop_map(Value::from),
        ("[ab]{1,8}", 1..20_000_usize).prop_map(|(text, times)| json!(text.repeat(times))),
        "[abc1é]{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 60, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            (inner.clone(), 1..2_000_usize).prop_map(|(one, times)| {
                let times = times.min(1 + 200_000 / one.to_string().len().max(1));
                json!(vec![one; times])
            }),
            prop::collection::btree_map("[abc]{1,2}", inner, 0..6).prop_map(|map| json!(map)),
        ]
    })
}

/// CPU time of this thread that the work takes at its quickest.
fn quickest(work: &dyn Fn()) -> Duration {
    let now = || {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        Duration::new(
            time.tv_sec.unsigned_abs(),
            time.tv_nsec.unsigned_abs() as u32,
        )
    };
    let times = (0..3).map(|_| {
        let started = now();
        work();
        now().saturating_sub(started)
    });
    times.min().unwrap_or_default()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_check_takes_ten_times_what_was_counted(schema in schemas(), value in values()) {
        // Under what may be an interruption nothing is told by the clock.
        const FLOOR: Duration = Duration::from_millis(20);
        let Ok(schema) = compile(&schema) else { return Ok(()) };
        let Some(counted) = schema.counted(&value) else { return Ok(()) };
        // The library's part, which tests optimise: the words for a handful of errors are ours.
        let took = quickest(&|| _ = black_box(schema.errors(black_box(&value))));
        prop_assert!(took < FLOOR.max(10 * counted), "{took:?} for {counted:?}");
    }

    #[test]
    fn templates_match_what_their_patterns_do(template in "a:([ab/]|\\{[+#./;?&]?[xy](,[xy])?\\*?\\}){0,4}", uris in prop::collection::vec("a:[ab/.,;?&#=]{0,8}", 1..20)) {
        let parsed = UriTemplate::parse(&template).unwrap();
        let pattern = regex::Regex::new(&pattern_of(&template)).unwrap();
        for uri in uris {
            prop_assert_eq!(parsed.matches(&uri), pattern.is_match(&uri), "{} {} {}", template, uri, pattern);
        }
    }
}

/// The expressions of RFC 6570, appendix A, backwards.
fn pattern_of(template: &str) -> String {
    let mut pattern = String::from("^");
    for part in template.split_inclusive(['{', '}']) {
        let Some(expression) = part.strip_suffix('}') else {
            pattern.push_str(&regex::escape(part.strip_suffix('{').unwrap_or(part)));
            continue;
        };
        let count = expression.split(',').count();
        let more = count - 1;
        pattern.push_str(&match expression.as_bytes()[0] {
            b'+' => ".+".to_owned(),
            b'#' => "(?:#.*)?".to_owned(),
            b'.' => format!(r"(?:\.[^/?#.]+){{0,{count}}}"),
            b'/' if expression.contains('*') => "(?:/[^/?#]+)+".to_owned(),
            b'/' => format!("(?:/[^/?#]+){{1,{count}}}"),
            b';' => "(?:;[^/?#;]*)*".to_owned(),
            b'?' => r"(?:\?[^#]*)?".to_owned(),
            b'&' => "(?:&[^#]*)?".to_owned(),
            _ => format!("[^/?#,]+(?:,[^/?#,]+){{0,{more}}}"),
        });
    }
    pattern + "$"
}
