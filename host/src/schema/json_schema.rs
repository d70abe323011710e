//! A JSON schema: read and bounded at load, compiled with the first check. A compiled one takes many times the memory of its
//! text, and most tools are idle.
//!
//! A schema comes from a guest and is not trusted: nothing is fetched for it, all in it is bounded before it is compiled,
//! and what a value would cost to check is counted first.

use std::fmt::Display;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jsonschema::{PatternOptions, ValidationError, Validator, error::ValidationErrorKind};
use sandglass_text::Line;
use serde_json::{Map, Value, json};

use super::account::{Account, Exhausted};
use super::cost::{self, Cost};
use super::graph::Graph;
use super::integers;
use super::pattern::{self, Patterns};

/// Bytes of a schema's JSON text.
const MAX_SCHEMA: usize = 256 << 10;

/// Errors of one instance that are reported.
const REPORTED_ERRORS: usize = 5;

/// Cases of a value that are named where it is none of them.
const REPORTED_CASES: usize = 8;

/// A schema, and how instances are checked.
#[derive(Debug)]
pub struct Schema {
    /// The schema as the guest gave it; `true` and `false` in their object forms.
    pub document: Arc<Map<String, Value>>,
    patterns: Patterns,
    refers: bool,
    /// What compiling it costs.
    compiling: Cost,
    /// From the first instance on.
    compiled: OnceLock<Result<Compiled, String>>,
}

#[derive(Debug)]
struct Compiled {
    graph: Graph,
    /// None where it is made for each instance: what patterns that look around keep while they match has no bound but
    /// time.
    validator: Option<Validator>,
}

/// Why a schema is refused.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// Not JSON.
    #[error("is not JSON: {0}")]
    NotJson(#[from] serde_json::Error),
    /// Too large.
    #[error("has {0} bytes; at most {MAX_SCHEMA} are accepted")]
    TooLarge(usize),
    /// Not an object schema.
    #[error(
        "must be a schema of an object (`\"type\": \"object\"`): arguments are always an object"
    )]
    NotObject,
    /// References that never end.
    #[error("refers to itself at the same place of the instance, without end")]
    Endless,
    /// A reference out of the document.
    #[error("refers to `{0}`: references must stay within the schema (`#/..`), nothing is fetched")]
    Remote(Line),
    /// A dialect that the host does not know.
    #[error("has the `$schema` `{0}`; the drafts 4, 6, 7, 2019-09 and 2020-12 are known")]
    Dialect(Line),
    /// A schema within the schema that has a name or a dialect of its own.
    #[error(
        "has `{0}` below its root: references must mean the same everywhere in it; remove it, or put the schema in `$defs`"
    )]
    Embedded(&'static str),
    /// Two anchors of a name.
    #[error("has two anchors of the name `{0}`: a reference to it could mean either")]
    Anchors(Line),
    /// Too many subschemas.
    #[error("has more than {0} subschemas")]
    Subschemas(usize),
    /// Too long a way in place.
    #[error(
        "leads through more than {0} subschemas (`$ref`, `allOf`, ..) to the same place of the instance: shorten the chain"
    )]
    Depth(usize),
    /// Too many levels.
    #[error(
        "has more than {0} levels of subschemas within one another: put inner ones in `$defs`, and refer to them"
    )]
    Levels(usize),
    /// Something that is not known to be evaluated until itself is.
    #[error(
        "has `unevaluatedProperties` or `unevaluatedItems` within what they depend on, without end"
    )]
    Unevaluated,
    /// Too large when it is compiled.
    #[error(
        "takes more than {0} MiB compiled: it is too large, has names that are too long, or too many references under `unevaluatedProperties`"
    )]
    Compiled(u64),
    /// A pattern.
    #[error("has the pattern `{0}`, which {1}")]
    Pattern(Line, String),
    /// With all the others of its component it is too much.
    #[error(transparent)]
    Exhausted(#[from] Exhausted),
    /// No valid schema.
    #[error("is no valid JSON Schema: {0}")]
    Invalid(Line),
}

impl Schema {
    /// Reads a schema, for which a component pays, and looks whether it can be compiled.
    pub fn compile(text: &str, account: &mut Account) -> Result<Self, SchemaError> {
        if text.len() > MAX_SCHEMA {
            return Err(SchemaError::TooLarge(text.len()));
        }
        let document = match serde_json::from_str(text)? {
            Value::Bool(true) => json!({}),
            Value::Bool(false) => json!({ "not": {} }),
            document => document,
        };
        let schema = Self::read(document, account)?;
        let document = Value::Object(Map::clone(&schema.document));
        // What can be wrong with a reference or a pattern its own schema does not say.
        if schema.refers || !schema.patterns.is_empty() {
            validator(document, &schema.patterns).map_err(invalid)?;
        } else {
            jsonschema::meta::validate(&document).map_err(invalid)?;
        }
        Ok(schema)
    }

    /// Bounds a schema, whose own schema it is known to fit.
    pub(super) fn read(document: Value, account: &mut Account) -> Result<Self, SchemaError> {
        let mut patterns = Patterns::default();
        let graph = Graph::of(&document, &mut |pattern| patterns.add(pattern, account))?;
        account.compile(graph.compiled)?;
        let Value::Object(document) = document else {
            return Err(invalid(format_args!(
                "{document} is neither an object nor a boolean"
            )));
        };
        Ok(Self {
            document: Arc::new(document),
            refers: graph.has_references(),
            compiling: Cost::of_compiling(graph.compiled + patterns.bytes()),
            patterns,
            compiled: OnceLock::new(),
        })
    }

    /// Reads a schema of arguments: it must be one of an object.
    pub fn compile_object(text: &str, account: &mut Account) -> Result<Self, SchemaError> {
        let schema = Self::compile(text, account)?;
        if schema.is_object() {
            Ok(schema)
        } else {
            Err(SchemaError::NotObject)
        }
    }

    /// Whether every instance is an object.
    pub fn is_object(&self) -> bool {
        self.document.get("type").and_then(Value::as_str) == Some("object")
    }

    /// Turns numbers such as `1.0` into integers where the schema wants integers. To JSON Schema
    /// both are the same (2020-12 core, 4.2.2), and clients send either; to a guest's types they are not.
    pub fn make_integral(&self, instance: &mut Value) {
        let Value::Object(arguments) = instance else {
            return;
        };
        integral_properties(&self.document, arguments);
    }

    /// Whether checking an instance may take longer than this. To know it takes no longer than that.
    pub fn may_take(&self, instance: &Value, time: Duration) -> bool {
        if self.compiled.get().is_none() && self.compiling.exceeds(time) {
            return true;
        }
        match self.compiled() {
            Ok(compiled) => self.cost(compiled, instance, Cost::of(time)).exceeds(time),
            Err(_) => false,
        }
    }

    /// Checks an instance; the error names each offending place by its path.
    pub fn check(&self, instance: &Value) -> Result<(), String> {
        self.check_within(instance, cost::MAX)
    }

    /// Checks a result likewise. It may cost more: its size is bounded by its call's limit, and it is paid for already.
    pub fn check_result(&self, result: &Value) -> Result<(), String> {
        self.check_within(result, cost::MAX_OF_RESULT)
    }

    fn check_within(&self, instance: &Value, limit: Cost) -> Result<(), String> {
        let compiled = self.compiled()?;
        if self.cost(compiled, instance, limit) > limit {
            return Err(
                "too deep or too large to be checked against this tool's schema; send less at once"
                    .to_owned(),
            );
        }
        let made;
        let validator = match &compiled.validator {
            Some(validator) => validator,
            None => {
                made = self.validator()?;
                &made
            }
        };
        if validator.is_valid(instance) {
            return Ok(());
        }
        let errors: Vec<String> = validator
            .iter_errors(instance)
            .take(REPORTED_ERRORS)
            .map(|error| describe(&error))
            .collect();
        // Names of the caller's may be long.
        Err(Line::new(errors.join("; ")).into())
    }

    fn cost(&self, compiled: &Compiled, instance: &Value, limit: Cost) -> Cost {
        let mut cost = compiled.graph.cost(instance, limit);
        if compiled.validator.is_none() {
            cost += self.compiling;
        }
        cost
    }

    fn compiled(&self) -> Result<&Compiled, String> {
        let compiled = self.compiled.get_or_init(|| {
            let document = Value::Object(Map::clone(&self.document));
            let graph = Graph::again(&document, &self.patterns).map_err(|e| e.to_string())?;
            let is_kept = !self.patterns.look_around();
            Ok(Compiled {
                graph,
                validator: is_kept.then(|| self.validator()).transpose()?,
            })
        });
        compiled.as_ref().map_err(Clone::clone)
    }

    /// What checking an instance is counted for; none where it is too much.
    #[cfg(test)]
    pub(super) fn counted(&self, instance: &Value) -> Option<Duration> {
        let counted = self.cost(self.compiled().ok()?, instance, cost::MAX);
        (counted <= cost::MAX).then(|| counted.time())
    }

    /// Checks an instance and looks for its errors; how many there are to tell.
    #[cfg(test)]
    pub(super) fn errors(&self, instance: &Value) -> usize {
        let errors = |validator: &Validator| match validator.is_valid(instance) {
            true => 0,
            false => validator
                .iter_errors(instance)
                .take(REPORTED_ERRORS)
                .count(),
        };
        match &self.compiled().expect("it was compiled before").validator {
            Some(validator) => errors(validator),
            None => errors(&self.validator().expect("it was compiled before")),
        }
    }

    fn validator(&self) -> Result<Validator, String> {
        let document = Value::Object(Map::clone(&self.document));
        validator(document, &self.patterns)
    }
}

fn invalid(why: impl Display) -> SchemaError {
    SchemaError::Invalid(Line::excerpt(why))
}

fn validator(mut document: Value, patterns: &Patterns) -> Result<Validator, String> {
    integers::ask_for_64_bits(&mut document);
    let options = jsonschema::options()
        .offline()
        .with_keyword(integers::KEYWORD, |_, _, _| {
            Ok(Box::new(integers::Has64Bits))
        });
    let options = match patterns.look_around() {
        true => options.with_pattern_options(
            PatternOptions::fancy_regex()
                .backtrack_limit(pattern::STEPS)
                .size_limit(pattern::MAX_COMPILED),
        ),
        false => options.with_pattern_options(
            PatternOptions::regex()
                .size_limit(pattern::MAX_COMPILED)
                .dfa_size_limit(pattern::TABLE),
        ),
    };
    options.build(&document).map_err(|error| error.to_string())
}

fn integral_properties(schema: &Map<String, Value>, instance: &mut Map<String, Value>) {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        return;
    };
    for (name, value) in instance {
        if let Some(schema) = properties.get(name).and_then(Value::as_object) {
            integral(schema, value);
        }
    }
}

fn integral(schema: &Map<String, Value>, instance: &mut Value) {
    match instance {
        Value::Number(number) if number.is_f64() => {
            let float = number.as_f64().unwrap_or(f64::NAN);
            // Up to 2^53 every integer is a float, and none is rounded.
            if integers::are_asked_for(schema)
                && float.fract() == 0.0
                && float.abs() <= 9_007_199_254_740_992.0
            {
                #[allow(clippy::cast_possible_truncation, reason = "integral and below 2^53")]
                let integer = float as i64;
                *instance = integer.into();
            }
        }
        Value::Object(properties) => integral_properties(schema, properties),
        Value::Array(items) => {
            if let Some(schema) = schema.get("items").and_then(Value::as_object) {
                items.iter_mut().for_each(|item| integral(schema, item));
            }
        }
        _ => {}
    }
}

/// One error in words, with the argument's path, without the value itself: it
/// may be long, or a secret.
fn describe(error: &ValidationError<'_>) -> String {
    match error.kind() {
        ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
            let place = match error.instance_path().to_string().trim_start_matches('/') {
                "" => "the value".to_owned(),
                path => format!("`{path}`"),
            };
            let cases = context.iter().take(REPORTED_CASES).map(|errors| {
                let errors = errors.iter().take(REPORTED_ERRORS);
                // Not the cases of a case.
                let errors: Vec<_> = errors.map(describe_one).collect();
                format!("({})", errors.join("; "))
            });
            let mut cases: Vec<_> = cases.collect();
            if let more @ 1.. = context.len() - cases.len() {
                cases.push(format!("{more} others"));
            }
            format!("{place} is none of what it can be: {}", cases.join(" or "))
        }
        _ => describe_one(error),
    }
}

fn describe_one(error: &ValidationError<'_>) -> String {
    let path = error.instance_path().to_string();
    let inside = |name: &str| {
        let path = path.trim_start_matches('/');
        if path.is_empty() {
            name.to_owned()
        } else {
            format!("{path}/{name}")
        }
    };
    match error.kind() {
        ValidationErrorKind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            format!("`{}` is required", inside(name))
        }
        ValidationErrorKind::AdditionalProperties { unexpected }
        | ValidationErrorKind::UnevaluatedProperties { unexpected } => unexpected
            .iter()
            .map(|name| format!("`{}` is not an argument of this tool", inside(name)))
            .collect::<Vec<_>>()
            .join("; "),
        _ if path.is_empty() => error.masked_with("the value").to_string(),
        _ => format!(
            "`{}`: {}",
            path.trim_start_matches('/'),
            error.masked_with("the value")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compile(schema: &Value) -> Result<Schema, SchemaError> {
        Schema::compile_object(&schema.to_string(), &mut Account::default())
    }

    fn point() -> Schema {
        compile(&json!({
            "type": "object",
            "properties": {
                "x": {"type": "integer"},
                "inner": {"type": "object", "properties": {"y": {"type": "string"}}, "required": ["y"]},
            },
            "required": ["x"],
            "additionalProperties": false,
        }))
        .unwrap()
    }

    #[test]
    fn a_value_that_is_no_case_hears_which_there_are() {
        let case = |name: &str| {
            json!({
                "type": "object",
                "properties": { name: { "type": "number" } },
                "required": [name],
                "additionalProperties": false,
            })
        };
        let many: Vec<_> = (0..10).map(|number| case(&number.to_string())).collect();
        let schema = compile(&json!({
            "type": "object",
            "properties": {
                "shape": { "oneOf": [case("circle"), { "const": "point" }] },
                "name": { "anyOf": [{ "type": "string" }, { "type": "null" }] },
                "many": { "anyOf": many },
                "inner": { "anyOf": [{ "anyOf": [case("a"), case("b")] }] },
            },
        }))
        .unwrap();
        for (instance, expected) in [
            (
                json!({ "shape": { "circle": "s3cret" } }),
                "`shape` is none of what it can be: (`shape/circle`: the value is not of type \"number\") or (`shape`: \"point\" was expected)",
            ),
            (
                json!({ "name": 1 }),
                "`name` is none of what it can be: (`name`: the value is not of type \"string\") or (`name`: the value is not of type \"null\")",
            ),
            (
                json!({ "inner": 1 }),
                "`inner` is none of what it can be: (`inner`: the value is not valid under any of the schemas listed in the 'anyOf' keyword)",
            ),
        ] {
            assert_eq!(schema.check(&instance).unwrap_err(), expected);
        }
        let error = schema.check(&json!({ "many": 1 })).unwrap_err();
        assert!(error.ends_with(" or 2 others"), "{error}");
    }

    #[test]
    fn errors_name_the_argument_by_its_path() {
        let schema = point();
        for (instance, expected) in [
            (json!({}), "`x` is required"),
            (
                json!({"x": 1, "z": 2}),
                "`z` is not an argument of this tool",
            ),
            (
                json!({"x": "a"}),
                "`x`: the value is not of type \"integer\"",
            ),
            (
                json!({"x": null}),
                "`x`: the value is not of type \"integer\"",
            ),
            (json!({"x": 1, "inner": {}}), "`inner/y` is required"),
            (
                json!({"x": 1, "inner": {"y": 1}}),
                "`inner/y`: the value is not of type \"string\"",
            ),
        ] {
            assert_eq!(schema.check(&instance).unwrap_err(), expected);
        }
        assert_eq!(schema.check(&json!({"x": 1})), Ok(()));
    }

    #[test]
    fn a_float_without_a_fraction_is_an_integer_where_one_is_wanted() {
        let schema = compile(&json!({
            "type": "object",
            "properties": {
                "n": {"type": ["integer", "null"]},
                "x": {"type": "number"},
                "list": {"type": "array", "items": {"type": "integer"}},
            },
        }))
        .unwrap();
        let mut instance = json!({"n": 1.0, "x": 1.0, "list": [1e2, 2], "other": 1.0});
        schema.make_integral(&mut instance);
        assert_eq!(
            instance.to_string(),
            r#"{"n":1,"x":1.0,"list":[100,2],"other":1.0}"#
        );
    }

    #[test]
    fn integers_beyond_64_bits_are_refused_where_integers_are_wanted() {
        let schema = compile(&json!({
            "type": "object",
            "properties": {
                "n": {"type": "integer"},
                "maybe": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
                "list": {"type": "array", "items": {"$ref": "#/$defs/count"}},
                "x": {"type": "number"},
                "any": {},
                "type": {"type": "string", "default": {"type": "integer"}},
            },
            "$defs": {"count": {"type": ["integer", "null"]}},
        }))
        .unwrap();
        let check = |text: &str| schema.check(&serde_json::from_str(text).unwrap());
        for text in [
            r#"{"n": -9223372036854775808, "maybe": 18446744073709551615, "list": [1e3, null]}"#,
            r#"{"x": 1e30, "any": 1e30, "type": "a"}"#,
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
        for (text, place) in [
            (r#"{"n": -9223372036854775809}"#, "`n`"),
            (r#"{"n": 18446744073709551616}"#, "`n`"),
            (r#"{"maybe": 15511210043330985984000000}"#, "`maybe`"),
            (r#"{"list": [1, 1e20]}"#, "`list/1`"),
        ] {
            let error = check(text).unwrap_err();
            let said = "the integer is beyond 64 bits; it must be from -9223372036854775808 to 18446744073709551615";
            assert!(
                error.contains(&format!("{place}: {said}")),
                "{text} {error}"
            );
        }
    }

    #[test]
    fn a_secret_argument_is_not_repeated_in_the_error() {
        let error = point().check(&json!({"x": "hunter2"})).unwrap_err();
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn references_out_of_the_document_are_refused() {
        for reference in [
            "http://169.254.169.254/latest",
            "file:///etc/passwd",
            "other.json#/a",
        ] {
            let schema = json!({"type": "object", "properties": {"a": {"$ref": reference}}});
            let error = compile(&schema).unwrap_err();
            assert!(matches!(error, SchemaError::Remote(_)), "{error}");
        }
    }

    #[test]
    fn a_reference_bomb_does_not_go_off() {
        let mut defs = serde_json::Map::new();
        for level in 0..40 {
            let next = json!({"$ref": format!("#/$defs/l{}", level + 1)});
            defs.insert(format!("l{level}"), json!({"allOf": [next, next]}));
        }
        defs.insert("l40".to_owned(), json!({"type": "string"}));
        let schema =
            json!({"type": "object", "properties": {"a": {"$ref": "#/$defs/l0"}}, "$defs": defs});
        let schema = compile(&schema).unwrap();
        assert!(
            schema
                .check(&json!({"a": "x"}))
                .unwrap_err()
                .contains("too deep")
        );
        assert_eq!(schema.check(&json!({})), Ok(()));
    }

    #[test]
    fn a_reference_to_itself_at_the_same_place_is_refused() {
        let schema = json!({"type": "object", "allOf": [{"$ref": "#"}]});
        assert!(matches!(compile(&schema), Err(SchemaError::Endless)));
    }

    #[test]
    fn a_recursive_type_is_fine() {
        let schema = json!({
            "type": "object",
            "properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}},
            "additionalProperties": false,
        });
        let schema = compile(&schema).unwrap();
        assert_eq!(schema.check(&json!({"left": {"right": {}}})), Ok(()));
        assert!(schema.check(&json!({"left": {"up": {}}})).is_err());
    }

    #[test]
    fn what_is_no_object_schema_is_refused() {
        assert!(matches!(
            compile(&json!({"type": "string"})),
            Err(SchemaError::NotObject)
        ));
        assert!(matches!(
            compile(&json!({"type": "object", "properties": 3})),
            Err(SchemaError::Invalid(_))
        ));
        assert!(matches!(
            Schema::compile_object("{", &mut Account::default()),
            Err(SchemaError::NotJson(_))
        ));
    }
}
