//! How often a schema is applied to an instance: what checking an argument costs.
//!
//! A subschema applies to its own place (`allOf`, `$ref`, ..) or to a place below
//! (`properties`, `items`, ..). Where two ways lead from one place to the same place
//! below, and again from there, the applications double with each level of the
//! instance. They are counted before the instance is checked, which takes a walk over
//! it and no more than [`MAX_APPLICATIONS`] steps.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::schema::SchemaError;
use super::subschemas::BY_NAME;

/// Applications that a schema may have, all its subschemas written out; those with more, and recursive
/// ones, are counted for each instance.
const MAX_EXPANSION: u64 = 100_000;

/// Applications to one instance: some 20 milliseconds of checking.
const MAX_APPLICATIONS: u64 = 250_000;

/// What the match of one pattern counts for beside the application of an ordinary subschema.
const PATTERN: u64 = 50;

/// The subschemas of a schema, and which of them each applies. The first one is the schema itself.
#[derive(Debug)]
pub struct Applications {
    subschemas: Vec<Subschema>,
}

/// By rank: a subschema, and how often it is applied to one place.
type Applied = BTreeMap<usize, (usize, u64)>;

#[derive(Debug, Default)]
struct Subschema {
    /// Comes before those that it applies in place.
    rank: usize,
    /// What applying it once counts for, without those that it applies.
    weight: u64,
    /// To the same place.
    in_place: Vec<usize>,
    /// To the property of this name.
    property: HashMap<String, usize>,
    /// To any property.
    any_property: Vec<usize>,
    /// To any item.
    item: Vec<usize>,
}

impl Applications {
    /// Reads a schema. Fails where a reference leads out of it, or back to itself at the same place.
    /// `None` where no instance can make it expensive.
    pub fn of(document: &Value) -> Result<Option<Self>, SchemaError> {
        let mut reader = Reader {
            document,
            known: HashMap::new(),
            subschemas: Vec::new(),
        };
        reader.read(document)?;
        let mut this = Self {
            subschemas: reader.subschemas,
        };
        this.rank()?;
        Ok(this.is_expensive().then_some(this))
    }

    /// Whether the schema is applied to this instance, and its subschemas to its parts, often enough to be refused.
    pub fn exceed(&self, instance: &Value) -> bool {
        let mut left = MAX_APPLICATIONS;
        !self.spend(
            Applied::from([(self.subschemas[0].rank, (0, 1))]),
            instance,
            &mut left,
        )
    }

    /// False where nothing is left.
    fn spend(&self, mut applied: Applied, instance: &Value, left: &mut u64) -> bool {
        if applied.is_empty() {
            return true;
        }
        let mut here: Vec<(&Subschema, u64)> = Vec::new();
        while let Some((_, (index, times))) = applied.pop_first() {
            let subschema = &self.subschemas[index];
            match left.checked_sub(times.saturating_mul(subschema.weight)) {
                Some(rest) => *left = rest,
                None => return false,
            }
            self.add(&mut applied, &subschema.in_place, times);
            here.push((subschema, times));
        }
        match instance {
            Value::Object(properties) => properties.iter().all(|(name, child)| {
                let mut applied = Applied::new();
                for (subschema, times) in &here {
                    self.add(&mut applied, subschema.property.get(name), *times);
                    self.add(&mut applied, &subschema.any_property, *times);
                }
                self.spend(applied, child, left)
            }),
            Value::Array(items) => items.iter().all(|child| {
                let mut applied = Applied::new();
                for (subschema, times) in &here {
                    self.add(&mut applied, &subschema.item, *times);
                }
                self.spend(applied, child, left)
            }),
            _ => true,
        }
    }

    fn add<'a>(
        &self,
        applied: &mut Applied,
        subschemas: impl IntoIterator<Item = &'a usize>,
        times: u64,
    ) {
        for &index in subschemas {
            let rank = self.subschemas[index].rank;
            let (_, sum) = applied.entry(rank).or_insert((index, 0));
            *sum = sum.saturating_add(times);
        }
    }

    /// Ranks the subschemas so that each comes before those that it applies in place.
    fn rank(&mut self) -> Result<(), SchemaError> {
        let mut states = vec![Ranking::Unseen; self.subschemas.len()];
        let mut next = self.subschemas.len();
        for index in 0..self.subschemas.len() {
            self.rank_from(index, &mut states, &mut next)?;
        }
        Ok(())
    }

    fn rank_from(
        &mut self,
        index: usize,
        states: &mut [Ranking],
        next: &mut usize,
    ) -> Result<(), SchemaError> {
        match states[index] {
            Ranking::Done => return Ok(()),
            Ranking::Begun => return Err(SchemaError::Endless),
            Ranking::Unseen => states[index] = Ranking::Begun,
        }
        for child in self.subschemas[index].in_place.clone() {
            self.rank_from(child, states, next)?;
        }
        states[index] = Ranking::Done;
        *next -= 1;
        self.subschemas[index].rank = *next;
        Ok(())
    }

    /// Whether it is recursive, has too many applications when all is written out, or applies more than a plain type
    /// to each part of an instance, which can have hundreds of thousands.
    fn is_expensive(&self) -> bool {
        let mut sizes = vec![Size::Unseen; self.subschemas.len()];
        let Some(size) = self.size(0, &mut sizes) else {
            return true;
        };
        size > MAX_EXPANSION
            || self.subschemas.iter().any(|subschema| {
                [&subschema.any_property, &subschema.item]
                    .into_iter()
                    .any(|parts| self.sum(parts, &mut sizes).is_none_or(|size| size > 1))
            })
    }

    /// The sizes of all these; `None` where one is recursive.
    fn sum<'a>(
        &self,
        subschemas: impl IntoIterator<Item = &'a usize>,
        sizes: &mut [Size],
    ) -> Option<u64> {
        subschemas.into_iter().try_fold(0_u64, |sum, &index| {
            Some(sum.saturating_add(self.size(index, sizes)?))
        })
    }

    /// `None` for a recursive subschema.
    fn size(&self, index: usize, sizes: &mut [Size]) -> Option<u64> {
        match sizes[index] {
            Size::Known(size) => return Some(size),
            Size::Begun => return None,
            Size::Unseen => sizes[index] = Size::Begun,
        }
        let subschema = &self.subschemas[index];
        let applied = subschema
            .in_place
            .iter()
            .chain(subschema.property.values())
            .chain(&subschema.any_property)
            .chain(&subschema.item);
        let total = self.sum(applied, sizes)?.saturating_add(subschema.weight);
        sizes[index] = Size::Known(total);
        Some(total)
    }
}

#[derive(Clone, Copy)]
enum Ranking {
    Unseen,
    Begun,
    Done,
}

#[derive(Clone, Copy)]
enum Size {
    Unseen,
    Begun,
    Known(u64),
}

/// Finds a document's subschemas, each once.
struct Reader<'a> {
    document: &'a Value,
    known: HashMap<*const Value, usize>,
    subschemas: Vec<Subschema>,
}

impl<'a> Reader<'a> {
    /// The index of the subschema that this is.
    fn read(&mut self, schema: &'a Value) -> Result<usize, SchemaError> {
        if let Some(&index) = self.known.get(&std::ptr::from_ref(schema)) {
            return Ok(index);
        }
        let index = self.subschemas.len();
        self.known.insert(std::ptr::from_ref(schema), index);
        let mut subschema = Subschema {
            weight: 1,
            ..Subschema::default()
        };
        self.subschemas.push(Subschema::default());
        for (keyword, value) in schema.as_object().into_iter().flatten() {
            match keyword.as_str() {
                "$ref" | "$dynamicRef" | "$recursiveRef" => {
                    if let Value::String(reference) = value {
                        subschema
                            .in_place
                            .push(self.read(target(self.document, reference)?)?);
                    }
                }
                "allOf" | "anyOf" | "oneOf" | "not" | "if" | "then" | "else"
                | "dependentSchemas" | "dependencies" => {
                    subschema.in_place.extend(self.read_all(keyword, value)?);
                }
                "properties" => {
                    for (name, value) in value.as_object().into_iter().flatten() {
                        subschema.property.insert(name.clone(), self.read(value)?);
                    }
                }
                "patternProperties"
                | "additionalProperties"
                | "unevaluatedProperties"
                | "propertyNames" => {
                    subschema
                        .any_property
                        .extend(self.read_all(keyword, value)?);
                    if let ("patternProperties", Value::Object(patterns)) = (&**keyword, value) {
                        subschema
                            .any_property
                            .push(self.match_of_patterns(patterns.len()));
                    }
                }
                "items" | "prefixItems" | "additionalItems" | "contains" | "unevaluatedItems" => {
                    subschema.item.extend(self.read_all(keyword, value)?);
                }
                // Applied to nothing, until something refers to them.
                "$defs" | "definitions" => {
                    self.read_all(keyword, value)?;
                }
                "pattern" => subschema.weight += PATTERN,
                // Gone through one by one.
                "enum" | "required" => {
                    let values = value.as_array().map_or(0, Vec::len);
                    subschema.weight += values as u64;
                }
                _ => {}
            }
        }
        self.subschemas[index] = subschema;
        Ok(index)
    }

    /// What matching a name against so many patterns counts for, as a subschema.
    fn match_of_patterns(&mut self, patterns: usize) -> usize {
        self.subschemas.push(Subschema {
            weight: PATTERN * patterns as u64,
            ..Subschema::default()
        });
        self.subschemas.len() - 1
    }

    /// The schemas under a keyword: one, a list, or a map of them.
    fn read_all(&mut self, keyword: &str, value: &'a Value) -> Result<Vec<usize>, SchemaError> {
        match value {
            Value::Array(schemas) => schemas.iter().map(|schema| self.read(schema)).collect(),
            Value::Object(schemas) if BY_NAME.contains(&keyword) => {
                schemas.values().map(|schema| self.read(schema)).collect()
            }
            schema => Ok(vec![self.read(schema)?]),
        }
    }
}

/// What a reference within the document points to. An anchor is looked for in the whole document.
fn target<'a>(root: &'a Value, reference: &str) -> Result<&'a Value, SchemaError> {
    let remote = || SchemaError::Remote(reference.to_owned());
    let fragment = reference.strip_prefix('#').ok_or_else(remote)?;
    if fragment.is_empty() || fragment.starts_with('/') {
        let pointer = fragment.replace("%25", "%");
        return root
            .pointer(&pointer)
            .ok_or_else(|| SchemaError::Invalid(format!("`{reference}` points to nothing")));
    }
    anchor(root, fragment)
        .ok_or_else(|| SchemaError::Invalid(format!("`{reference}` points to nothing")))
}

fn anchor<'a>(node: &'a Value, name: &str) -> Option<&'a Value> {
    match node {
        Value::Object(map) => {
            let named = ["$anchor", "$dynamicAnchor"]
                .iter()
                .any(|key| map.get(*key).and_then(Value::as_str) == Some(name));
            if named {
                return Some(node);
            }
            map.values().find_map(|child| anchor(child, name))
        }
        Value::Array(items) => items.iter().find_map(|child| anchor(child, name)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A tree of this depth, `{"a": {"a": ..}}`.
    fn tree(depth: usize) -> Value {
        (0..depth).fold(json!({}), |inner, _| json!({"a": inner}))
    }

    #[test]
    fn two_ways_to_the_same_place_double_with_each_level() {
        let schema = json!({"$defs": {"twice": {"allOf": [
            {"properties": {"a": {"$ref": "#/$defs/twice"}}},
            {"properties": {"a": {"$ref": "#/$defs/twice"}}},
        ]}}, "$ref": "#/$defs/twice"});
        let applications = Applications::of(&schema).unwrap().expect("it is recursive");
        assert!(!applications.exceed(&tree(10)));
        assert!(applications.exceed(&tree(30)));
    }

    #[test]
    fn one_way_to_each_place_costs_no_more_than_the_instance() {
        let schema = json!({"properties": {"a": {"$ref": "#"}, "b": {"$ref": "#"}}, "additionalProperties": false});
        let applications = Applications::of(&schema).unwrap().expect("it is recursive");
        assert!(!applications.exceed(&tree(120)));
    }

    #[test]
    fn a_long_chain_that_doubles_without_recursion_is_counted_too() {
        let mut definitions = serde_json::Map::new();
        for level in 0..40 {
            let next = json!({"properties": {"a": {"$ref": format!("#/$defs/l{}", level + 1)}}});
            definitions.insert(format!("l{level}"), json!({"allOf": [next, next]}));
        }
        definitions.insert("l40".to_owned(), json!(true));
        let schema = json!({"$ref": "#/$defs/l0", "$defs": definitions});
        let applications = Applications::of(&schema)
            .unwrap()
            .expect("2^40 is too many");
        assert!(applications.exceed(&tree(40)));
        assert!(!applications.exceed(&tree(5)));
    }

    #[test]
    fn what_applies_to_each_item_is_paid_for_each() {
        let cases: Vec<Value> = (0..1_000).map(|case| json!({"const": case})).collect();
        let names: Vec<String> = (0..1_000).map(|name| name.to_string()).collect();
        let zeros = |items: usize| json!(vec![0; items]);
        for schema in [
            json!({"items": {"anyOf": cases}}),
            json!({"items": {"enum": names}}),
            json!({"items": {"required": names}}),
        ] {
            let applications = Applications::of(&schema).unwrap().expect("it is expensive");
            assert!(!applications.exceed(&zeros(100)), "{schema}");
            assert!(applications.exceed(&zeros(1_000)), "{schema}");
        }
        let schema = json!({"patternProperties": {"^a": true, "^b": true}});
        let applications = Applications::of(&schema).unwrap().expect("it is expensive");
        let named: serde_json::Map<String, Value> = (0..3_000)
            .map(|name| (name.to_string(), json!(0)))
            .collect();
        assert!(applications.exceed(&Value::Object(named)));
        let schema = json!({"items": {"type": "object", "properties": {"a": {"type": "string"}}}});
        let applications = Applications::of(&schema).unwrap().expect("it is counted");
        assert!(!applications.exceed(&json!(vec![json!({"a": "b"}); 50_000])));
    }

    #[test]
    fn an_ordinary_schema_needs_no_counting() {
        let schema = json!({"type": "object", "properties": {
            "a": {"enum": [{"$ref": "http://x"}]},
            "b": {"type": "array", "items": {"type": "number"}},
        }});
        assert!(Applications::of(&schema).unwrap().is_none());
    }
}
