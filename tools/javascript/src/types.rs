//! Types as JSDoc writes them between braces, and their JSON Schema.

use serde_json::{Map, Value, json};

/// What an argument or a result can be.
#[derive(Debug, Clone, PartialEq)]
pub enum Type {
    /// Anything.
    Any,
    /// No value: `undefined` or `void`.
    Nothing,
    /// One of JSON Schema's own types.
    Plain(&'static str),
    /// Exactly this value.
    Literal(Value),
    /// A list.
    List(Box<Type>),
    /// An object with any keys, whose values are alike.
    Record(Box<Type>),
    /// An object with these properties.
    Object(Vec<Property>),
    /// One of several.
    Union(Vec<Type>),
}

/// A property of an object.
#[derive(Debug, Clone, PartialEq)]
pub struct Property {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: Type,
    /// It may be missing.
    pub optional: bool,
    /// What it is for.
    pub description: Option<String>,
}

/// The words for a person who wrote something else.
const KNOWN: &str = "string, number, integer, boolean, null, any, object, T[], Array<T>, Record<string, T>, \
     { name: T, other?: T }, \"literal\", T | U, ?T, and Promise<T> or void for results";

impl Type {
    /// Reads what stands between the braces, and whether `=` at its end says that it may be left out.
    pub fn parse(text: &str) -> Result<(Self, bool), String> {
        let mut reader = Reader { rest: text };
        let read = |reader: &mut Reader<'_>| {
            let kind = reader.union()?;
            let optional = reader.take("=");
            reader.end()?;
            Ok((kind, optional))
        };
        read(&mut reader)
            .map_err(|problem: String| format!("the type `{}`: {problem}", text.trim()))
    }

    /// Whether `undefined` is one of its values.
    pub fn may_be_nothing(&self) -> bool {
        match self {
            Self::Nothing => true,
            Self::Union(members) => members.iter().any(Self::may_be_nothing),
            _ => false,
        }
    }

    /// Its JSON Schema.
    pub fn schema(&self) -> Map<String, Value> {
        let schema = match self {
            Self::Any | Self::Nothing => json!({}),
            Self::Plain(name) => json!({ "type": name }),
            Self::Literal(value) => json!({ "const": value }),
            Self::List(item) => json!({ "type": "array", "items": item.schema() }),
            Self::Record(value) => {
                json!({ "type": "object", "additionalProperties": value.schema() })
            }
            Self::Object(properties) => return object(properties),
            Self::Union(members) => union(members),
        };
        match schema {
            Value::Object(schema) => schema,
            _ => Map::new(),
        }
    }
}

/// The schema of an object with these properties, and no others.
pub fn object(properties: &[Property]) -> Map<String, Value> {
    let mut schemas = Map::new();
    for property in properties {
        let mut schema = property.kind.schema();
        if let Some(description) = &property.description {
            schema.insert("description".to_owned(), json!(description));
        }
        schemas.insert(property.name.clone(), Value::Object(schema));
    }
    let required: Vec<&str> = properties
        .iter()
        .filter(|property| !property.optional)
        .map(|property| property.name.as_str())
        .collect();
    let mut schema = Map::new();
    schema.insert("type".to_owned(), json!("object"));
    schema.insert("properties".to_owned(), Value::Object(schemas));
    if !required.is_empty() {
        schema.insert("required".to_owned(), json!(required));
    }
    schema.insert("additionalProperties".to_owned(), json!(false));
    schema
}

fn union(members: &[Type]) -> Value {
    let present: Vec<&Type> = members
        .iter()
        .filter(|member| **member != Type::Nothing)
        .collect();
    let literals: Vec<&Value> = present
        .iter()
        .filter_map(|member| match member {
            Type::Literal(value) => Some(value),
            _ => None,
        })
        .collect();
    if let [only] = present[..] {
        return Value::Object(only.schema());
    }
    if literals.len() < present.len() {
        let schemas: Vec<_> = present.iter().map(|member| member.schema()).collect();
        return json!({ "anyOf": schemas });
    }
    if literals.iter().all(|value| value.is_string()) {
        return json!({ "type": "string", "enum": literals });
    }
    json!({ "enum": literals })
}

struct Reader<'t> {
    rest: &'t str,
}

impl<'t> Reader<'t> {
    fn union(&mut self) -> Result<Type, String> {
        // A leading bar is TypeScript's way to write one member a line.
        _ = self.take("|");
        let mut members = vec![self.postfix()?];
        while self.take("|") {
            members.push(self.postfix()?);
        }
        Ok(match members.len() {
            1 => members.remove(0),
            _ => Type::Union(members),
        })
    }

    fn postfix(&mut self) -> Result<Type, String> {
        let nullable = self.take("?");
        // Closure's word for "never null", which is so anyway.
        _ = !nullable && self.take("!");
        let mut kind = self.primary()?;
        while self.take("[]") {
            kind = Type::List(Box::new(kind));
        }
        Ok(match nullable {
            true => Type::Union(vec![kind, Type::Plain("null")]),
            false => kind,
        })
    }

    fn primary(&mut self) -> Result<Type, String> {
        if self.take("(") {
            let kind = self.union()?;
            self.expect(")")?;
            return Ok(kind);
        }
        if self.take("{") {
            return self.object();
        }
        if self.take("*") {
            return Ok(Type::Any);
        }
        match self.rest.trim_start().chars().next() {
            Some(quote @ ('"' | '\'')) => self.text(quote),
            Some('0'..='9' | '-') => self.number(),
            _ => self.named(),
        }
    }

    fn named(&mut self) -> Result<Type, String> {
        let name = self.word()?;
        Ok(match name {
            "string" | "String" => Type::Plain("string"),
            "number" | "Number" => Type::Plain("number"),
            "integer" | "int" => Type::Plain("integer"),
            "boolean" | "Boolean" | "bool" => Type::Plain("boolean"),
            "null" => Type::Plain("null"),
            "any" | "unknown" => Type::Any,
            "void" | "undefined" => Type::Nothing,
            "true" => Type::Literal(json!(true)),
            "false" => Type::Literal(json!(false)),
            "Array" => match self.generics()?.as_mut_slice() {
                [] => Type::List(Box::new(Type::Any)),
                [item] => Type::List(Box::new(std::mem::replace(item, Type::Any))),
                _ => return Err("an Array has one type of items".to_owned()),
            },
            "object" | "Object" | "Record" => match self.generics()?.as_mut_slice() {
                [] => Type::Plain("object"),
                [key, value] if *key == Type::Plain("string") => {
                    Type::Record(Box::new(std::mem::replace(value, Type::Any)))
                }
                _ => return Err(format!("write {name}<string, T>: JSON's keys are text")),
            },
            "Promise" => match self.generics()?.as_mut_slice() {
                [] => Type::Any,
                [value] => std::mem::replace(value, Type::Any),
                _ => return Err("a Promise has one type".to_owned()),
            },
            other => return Err(format!("`{other}` is not known; there are {KNOWN}")),
        })
    }

    /// `<T, U>`, with the dot that Closure writes before it; empty where there is none.
    fn generics(&mut self) -> Result<Vec<Type>, String> {
        let mut kinds = Vec::new();
        if !self.take(".<") && !self.take("<") {
            return Ok(kinds);
        }
        loop {
            kinds.push(self.union()?);
            if self.take(">") {
                return Ok(kinds);
            }
            self.expect(",")?;
        }
    }

    fn object(&mut self) -> Result<Type, String> {
        let mut properties = Vec::new();
        while !self.take("}") {
            let name = match self.rest.trim_start().chars().next() {
                Some(quote @ ('"' | '\'')) => match self.text(quote)? {
                    Type::Literal(Value::String(name)) => name,
                    _ => return Err("a property needs a name".to_owned()),
                },
                _ => self.word()?.to_owned(),
            };
            let marked = self.take("?");
            self.expect(":")?;
            let kind = self.union()?;
            properties.push(Property {
                name,
                optional: marked || kind.may_be_nothing(),
                kind,
                description: None,
            });
            if !self.take(",") && !self.take(";") {
                self.expect("}")?;
                break;
            }
        }
        Ok(Type::Object(properties))
    }

    fn text(&mut self, quote: char) -> Result<Type, String> {
        let inside = &self.rest.trim_start()[1..];
        let (text, rest) = inside
            .split_once(quote)
            .ok_or_else(|| format!("{quote} has no end"))?;
        self.rest = rest;
        Ok(Type::Literal(json!(text)))
    }

    fn number(&mut self) -> Result<Type, String> {
        let digits = self.while_some(|c| c.is_ascii_digit() || matches!(c, '-' | '.' | 'e' | '+'));
        serde_json::from_str(digits)
            .map(Type::Literal)
            .map_err(|_| format!("`{digits}` is no number"))
    }

    fn word(&mut self) -> Result<&'t str, String> {
        match self.while_some(|c| c.is_alphanumeric() || matches!(c, '_' | '$')) {
            "" if self.rest.is_empty() => Err("it ends too early".to_owned()),
            "" => Err(format!(
                "`{}` is not understood; there are {KNOWN}",
                self.rest
            )),
            word => Ok(word),
        }
    }

    fn while_some(&mut self, belongs: impl Fn(char) -> bool) -> &'t str {
        let text = self.rest.trim_start();
        let end = text.find(|c| !belongs(c)).unwrap_or(text.len());
        let (word, rest) = text.split_at(end);
        self.rest = rest;
        word
    }

    fn take(&mut self, token: &str) -> bool {
        match self.rest.trim_start().strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, token: &str) -> Result<(), String> {
        match self.take(token) {
            true => Ok(()),
            false => Err(format!(
                "`{token}` is missing before `{}`",
                self.rest.trim()
            )),
        }
    }

    fn end(&self) -> Result<(), String> {
        match self.rest.trim() {
            "" => Ok(()),
            rest => Err(format!("`{rest}` is not understood; there are {KNOWN}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(text: &str) -> Value {
        Value::Object(Type::parse(text).expect(text).0.schema())
    }

    #[test]
    fn types_have_schemas() {
        let number = json!({ "type": "number" });
        for (text, expected) in [
            ("string", json!({ "type": "string" })),
            ("integer", json!({ "type": "integer" })),
            ("*", json!({})),
            ("number[]", json!({ "type": "array", "items": number })),
            (
                "Array.<number>",
                json!({ "type": "array", "items": number }),
            ),
            (
                "number[][]",
                json!({ "type": "array", "items": { "type": "array", "items": number } }),
            ),
            (
                "Object<string, number>",
                json!({ "type": "object", "additionalProperties": number }),
            ),
            ("object", json!({ "type": "object" })),
            ("?number", json!({ "anyOf": [number, { "type": "null" }] })),
            (
                "(number|null)[]",
                json!({ "type": "array", "items": { "anyOf": [number, { "type": "null" }] } }),
            ),
            ("number | undefined", number.clone()),
            (
                "'C' | \"F\"",
                json!({ "type": "string", "enum": ["C", "F"] }),
            ),
            ("1 | -2.5 | 'x'", json!({ "enum": [1, -2.5, "x"] })),
            ("true", json!({ "const": true })),
            ("Promise<number>", number.clone()),
            (
                "{ a: number, b?: string; 'c d': {} }",
                json!({
                    "type": "object",
                    "properties": {
                        "a": number,
                        "b": { "type": "string" },
                        "c d": { "type": "object", "properties": {}, "additionalProperties": false },
                    },
                    "required": ["a", "c d"],
                    "additionalProperties": false,
                }),
            ),
        ] {
            assert_eq!(schema(text), expected, "{text}");
        }
    }

    #[test]
    fn an_equals_sign_and_undefined_make_it_optional() {
        assert_eq!(Type::parse("number="), Ok((Type::Plain("number"), true)));
        assert!(
            Type::parse("number|undefined")
                .expect("a type")
                .0
                .may_be_nothing()
        );
        assert!(!Type::parse("?number").expect("a type").0.may_be_nothing());
    }

    #[test]
    fn what_is_no_type_is_told() {
        for (text, problem) in [
            (
                "Date",
                "the type `Date`: `Date` is not known; there are string, ",
            ),
            ("", "it ends too early"),
            ("Array<number", "`,` is missing before ``"),
            ("Record<number, string>", "write Record<string, T>"),
            ("'a", "' has no end"),
            ("number string", "`string` is not understood"),
            ("{ a number }", "`:` is missing"),
            ("1.2.3", "`1.2.3` is no number"),
        ] {
            let told = Type::parse(text).expect_err(text);
            assert!(told.contains(problem), "{text}: {told}");
        }
    }
}
