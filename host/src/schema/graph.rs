//! A schema's subschemas, each once, and which of them each applies to what. Nothing in here calls itself: references make
//! chains as long as the document.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::cost::Effort;
use super::json_schema::SchemaError;
use super::pattern::Patterns;
use super::reference::{Dialect, References};
use super::subschemas::BY_NAME;

/// Subschemas of a schema.
const MAX_SUBSCHEMAS: usize = 10_000;

/// Subschemas that a place of an instance can lead through, one applied by the other. jsonschema calls itself for each.
const MAX_DEPTH: usize = 128;

/// Levels of subschemas within one another; of a schema with references, of which jsonschema follows eight within one another.
const MAX_LEVELS: usize = 100;
const MAX_LEVELS_REFERRED: usize = 24;

/// Bytes of a schema as it is compiled.
const MAX_COMPILED: u64 = 16 << 20;

/// Bytes of a subschema as it is compiled, and of one of its keywords, without their places in the document.
const NODE: u64 = 500;
const KEYWORD: u64 = 250;

/// What it takes to write each part that is one too many into an error.
const UNEVALUATED: Effort = Effort::new(30_000, 3_000);

/// Formats that are checked, by their names.
const FORMATS: [&str; 19] = [
    "date",
    "date-time",
    "duration",
    "email",
    "hostname",
    "idn-email",
    "idn-hostname",
    "ipv4",
    "ipv6",
    "iri",
    "iri-reference",
    "json-pointer",
    "regex",
    "relative-json-pointer",
    "time",
    "uri",
    "uri-reference",
    "uri-template",
    "uuid",
];

/// The subschemas of a schema. The first one is the schema itself.
#[derive(Debug)]
pub(super) struct Graph {
    pub subschemas: Vec<Subschema>,
    /// What the schema takes compiled.
    pub compiled: u64,
    has_references: bool,
}

#[derive(Debug, Default)]
pub(super) struct Subschema {
    /// Comes before those that it applies in place.
    pub rank: usize,
    /// The longest way in place from here.
    pub depth: usize,
    /// Whether what it has evaluated depends on the instance, so that it is applied again to find out.
    pub is_conditional: bool,
    /// Whether it has a keyword for what no other has evaluated.
    pub is_unevaluated: bool,
    /// What applying it once costs, without those that it applies.
    pub own: Effort,
    /// What it costs with a string besides, by its bytes.
    pub string: Effort,
    /// What it costs with each name of an object besides, by its bytes.
    pub name: Effort,
    /// What it costs with anything besides, by all its bytes.
    pub whole: Effort,
    /// To the same place.
    pub in_place: Vec<(usize, Way)>,
    /// To the property of this name.
    pub property: HashMap<String, usize>,
    /// To any property.
    pub any_property: Vec<usize>,
    /// To the name of any property.
    pub any_name: Vec<usize>,
    /// To any item.
    pub item: Vec<usize>,
}

/// How a subschema is applied in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// What is wrong with it is wrong with the other.
    Plain,
    /// It is tried first, and gone through again for its errors.
    Tried,
}

impl Graph {
    /// Reads a schema, whose patterns are known if `patterns` says so.
    pub fn of(
        document: &Value,
        patterns: &mut dyn FnMut(&str) -> Result<Effort, SchemaError>,
    ) -> Result<Self, SchemaError> {
        let mut reader = Reader {
            references: References::of(document)?,
            patterns,
            known: HashMap::new(),
            left: Vec::new(),
            parts: Vec::new(),
        };
        reader.find(document, 0)?;
        let mut subschemas = Vec::new();
        while let Some(next) = reader.left.pop() {
            let subschema = reader.read(next)?;
            subschemas.push((next.index, subschema));
        }
        subschemas.sort_unstable_by_key(|(index, _)| *index);
        let mut this = Self {
            subschemas: subschemas.into_iter().map(|(_, one)| one).collect(),
            compiled: 0,
            has_references: reader.parts.iter().any(|part| !part.references.is_empty()),
        };
        this.rank()?;
        this.compiled = compiled(&reader.parts)?;
        Ok(this)
    }

    /// The same, with patterns that are known.
    pub fn again(document: &Value, patterns: &Patterns) -> Result<Self, SchemaError> {
        Self::of(document, &mut |pattern| Ok(patterns.effort(pattern)))
    }

    /// Whether it refers to anything.
    pub fn has_references(&self) -> bool {
        self.has_references
    }

    /// Ranks the subschemas so that each comes before those that it applies in place.
    fn rank(&mut self) -> Result<(), SchemaError> {
        let count = self.subschemas.len();
        let order = post_order(count, count, |index| {
            self.subschemas[index]
                .in_place
                .iter()
                .map(|(next, _)| *next)
        })
        .ok_or(SchemaError::Endless)?;
        for (place, index) in order.into_iter().enumerate() {
            let (mut depth, mut is_conditional) = (0, false);
            for (next, way) in &self.subschemas[index].in_place {
                let next = &self.subschemas[*next];
                depth = depth.max(next.depth + 1);
                is_conditional |= *way == Way::Tried || next.is_conditional || next.is_unevaluated;
            }
            if depth > MAX_DEPTH {
                return Err(SchemaError::Depth(MAX_DEPTH));
            }
            let subschema = &mut self.subschemas[index];
            subschema.rank = count - place;
            subschema.depth = depth;
            subschema.is_conditional = is_conditional;
        }
        Ok(())
    }
}

/// The vertices of a graph that the first ones lead to, each after all that it leads to; none where one leads back to
/// itself.
fn post_order<I: Iterator<Item = usize>>(
    firsts: usize,
    count: usize,
    next: impl Fn(usize) -> I,
) -> Option<Vec<usize>> {
    let mut order = Vec::with_capacity(count);
    let mut states = vec![Seen::Not; count];
    for first in 0..firsts {
        if states[first] != Seen::Not {
            continue;
        }
        states[first] = Seen::Begun;
        let mut path = vec![(first, next(first))];
        while let Some((vertex, rest)) = path.last_mut() {
            match rest.next() {
                None => {
                    states[*vertex] = Seen::Done;
                    order.push(*vertex);
                    path.pop();
                }
                Some(child) => match states[child] {
                    Seen::Done => {}
                    Seen::Begun => return None,
                    Seen::Not => {
                        states[child] = Seen::Begun;
                        path.push((child, next(child)));
                    }
                },
            }
        }
    }
    Some(order)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    Not,
    Begun,
    Done,
}

/// What compiling makes of a subschema.
#[derive(Default)]
struct Part {
    /// Bytes of its own.
    bytes: u64,
    /// Compiled with it.
    children: Vec<usize>,
    /// Of these, what `unevaluatedProperties` and `unevaluatedItems` compile again, and look into.
    looked_into: Vec<usize>,
    /// And what they compile again without.
    compiled_again: Vec<usize>,
    /// What it refers to: compiled once, and looked into each time.
    references: Vec<usize>,
    is_unevaluated: bool,
}

/// The bytes of all that is compiled.
fn compiled(parts: &[Part]) -> Result<u64, SchemaError> {
    let count = parts.len();
    // Each subschema twice: compiled, and looked into for what it evaluates.
    let next = |vertex: usize| {
        let part = &parts[vertex % count];
        let looked = |index: &usize| index + count;
        let (children, more): (&[usize], _) = if vertex < count {
            let itself = part.is_unevaluated.then_some(vertex + count);
            (&part.children, Vec::from_iter(itself))
        } else {
            let into = part.looked_into.iter().chain(&part.references).map(looked);
            let again = part.looked_into.iter().chain(&part.compiled_again);
            (&[], into.chain(again.copied()).collect())
        };
        children.iter().copied().chain(more)
    };
    let order = post_order(count, 2 * count, next).ok_or(SchemaError::Unevaluated)?;
    let mut bytes = vec![0_u64; 2 * count];
    let mut levels = vec![0_usize; 2 * count];
    let limit = match parts.iter().any(|part| !part.references.is_empty()) {
        true => MAX_LEVELS_REFERRED,
        false => MAX_LEVELS,
    };
    for vertex in order {
        let deepest = next(vertex).map(|next| levels[next] + 1).max();
        levels[vertex] = deepest.unwrap_or_default();
        if levels[vertex] > limit {
            return Err(SchemaError::Levels(limit));
        }
        let below = next(vertex).fold(0, |sum: u64, next| sum.saturating_add(bytes[next]));
        bytes[vertex] = below.saturating_add(parts[vertex % count].bytes);
    }
    let mut targets: Vec<usize> = parts
        .iter()
        .flat_map(|part| &part.references)
        .copied()
        .collect();
    targets.sort_unstable();
    targets.dedup();
    let total = targets
        .into_iter()
        .fold(bytes[0], |sum, target| sum.saturating_add(bytes[target]));
    if total > MAX_COMPILED {
        return Err(SchemaError::Compiled(MAX_COMPILED >> 20));
    }
    Ok(total)
}

/// A subschema that is to be read.
#[derive(Clone, Copy)]
struct Next<'a> {
    index: usize,
    schema: &'a Value,
    /// Bytes of its place in the document.
    place: u64,
}

/// Finds a document's subschemas, each once.
struct Reader<'a, 'p> {
    references: References<'a>,
    patterns: &'p mut dyn FnMut(&str) -> Result<Effort, SchemaError>,
    known: HashMap<*const Value, usize>,
    left: Vec<Next<'a>>,
    parts: Vec<Part>,
}

impl<'a> Reader<'a, '_> {
    /// The index of the subschema that this is.
    fn find(&mut self, schema: &'a Value, place: u64) -> Result<usize, SchemaError> {
        if let Some(&index) = self.known.get(&std::ptr::from_ref(schema)) {
            return Ok(index);
        }
        let index = self.known.len();
        if index == MAX_SUBSCHEMAS {
            return Err(SchemaError::Subschemas(MAX_SUBSCHEMAS));
        }
        self.known.insert(std::ptr::from_ref(schema), index);
        self.parts.push(Part::default());
        self.left.push(Next {
            index,
            schema,
            place,
        });
        Ok(index)
    }

    fn read(&mut self, next: Next<'a>) -> Result<Subschema, SchemaError> {
        let mut subschema = Subschema {
            own: Effort::new(30_000, 0),
            ..Subschema::default()
        };
        let mut part = Part {
            bytes: NODE + next.place,
            ..Part::default()
        };
        for (keyword, value) in next.schema.as_object().into_iter().flatten() {
            let place = next.place + keyword.len() as u64 + 1;
            part.bytes += KEYWORD + place;
            self.read_keyword(keyword, value, place, &mut subschema, &mut part)?;
        }
        self.parts[next.index] = part;
        Ok(subschema)
    }

    fn read_keyword(
        &mut self,
        keyword: &str,
        value: &'a Value,
        place: u64,
        subschema: &mut Subschema,
        part: &mut Part,
    ) -> Result<(), SchemaError> {
        let is_old = self.references.dialect == Dialect::Old;
        subschema.own += Effort::new(8_000, 0);
        match keyword {
            "$ref" | "$dynamicRef" | "$recursiveRef" => {
                if let Value::String(reference) = value {
                    let target = self.references.target(reference)?;
                    // Its place is that of the target, which is as long as the reference.
                    let index = self.find(target, reference.len() as u64)?;
                    subschema.in_place.push((index, Way::Plain));
                    part.references.push(index);
                }
            }
            "allOf" | "then" | "else" => {
                let found = self.find_all(keyword, value, place)?;
                let plain = found.iter().map(|index| (*index, Way::Plain));
                subschema.in_place.extend(plain);
                part.looked_into.extend(&found);
                part.children.extend(found);
            }
            "anyOf" | "oneOf" | "not" | "if" | "dependentSchemas" | "dependencies" => {
                let found = self.find_all(keyword, value, place)?;
                let tried = found.iter().map(|index| (*index, Way::Tried));
                subschema.in_place.extend(tried);
                subschema.own += listed(value);
                part.looked_into.extend(&found);
                part.children.extend(found);
            }
            "properties" => {
                subschema.own += listed(value);
                for (name, value) in value.as_object().into_iter().flatten() {
                    let index = self.find(value, place + name.len() as u64 + 1)?;
                    subschema.property.insert(name.clone(), index);
                    part.children.push(index);
                }
            }
            "patternProperties" => {
                for pattern in value.as_object().into_iter().flat_map(Map::keys) {
                    // For itself, and for `additionalProperties`.
                    subschema.name += (self.patterns)(pattern)?.times(2);
                    subschema.name += Effort::new(50_000, 0);
                }
                let found = self.find_all(keyword, value, place)?;
                subschema.any_property.extend(&found);
                part.compiled_again.extend(&found);
                part.children.extend(found);
            }
            "additionalProperties" | "unevaluatedProperties" => {
                let found = self.find_all(keyword, value, place)?;
                subschema.name += Effort::new(100_000, 1_000);
                subschema.any_property.extend(&found);
                if keyword == "unevaluatedProperties" {
                    subschema.is_unevaluated = true;
                    subschema.whole += UNEVALUATED;
                }
                part.compiled_again.extend(&found);
                part.children.extend(found);
            }
            "propertyNames" => {
                let found = self.find_all(keyword, value, place)?;
                subschema.name += Effort::new(200_000, 500);
                subschema.any_name.extend(&found);
                part.children.extend(found);
            }
            "items" | "prefixItems" | "additionalItems" | "contains" | "unevaluatedItems" => {
                let found = self.find_all(keyword, value, place)?;
                subschema.item.extend(&found);
                if keyword == "unevaluatedItems" {
                    subschema.is_unevaluated = true;
                    subschema.whole += UNEVALUATED;
                }
                part.compiled_again.extend(&found);
                part.children.extend(found);
            }
            // Applied to nothing, until something refers to them.
            "$defs" | "definitions" => {
                self.find_all(keyword, value, place)?;
            }
            "pattern" => {
                if let Value::String(pattern) = value {
                    subschema.string += (self.patterns)(pattern)?;
                }
            }
            "minLength" | "maxLength" => subschema.string += Effort::new(0, 100),
            "format" if is_old => {
                if value.as_str().is_some_and(|name| FORMATS.contains(&name)) {
                    subschema.string += Effort::new(500_000, 5_000);
                }
            }
            "contentEncoding" | "contentMediaType" if is_old => {
                subschema.string += Effort::new(500_000, 5_000);
            }
            "const" | "enum" => {
                subschema.own += text(value);
                subschema.whole += Effort::new(10_000, 200);
            }
            // Up to 15 items are compared each with each.
            "uniqueItems" => subschema.whole += Effort::new(50_000, 5_000),
            _ => subschema.own += text(value),
        }
        part.is_unevaluated = subschema.is_unevaluated;
        Ok(())
    }

    /// The schemas under a keyword: one, a list, or a map of them.
    fn find_all(
        &mut self,
        keyword: &str,
        value: &'a Value,
        place: u64,
    ) -> Result<Vec<usize>, SchemaError> {
        match value {
            Value::Array(schemas) => schemas
                .iter()
                .map(|schema| self.find(schema, place + 4))
                .collect(),
            Value::Object(schemas) if BY_NAME.contains(&keyword) => schemas
                .iter()
                .map(|(name, schema)| self.find(schema, place + name.len() as u64 + 1))
                .collect(),
            schema => Ok(vec![self.find(schema, place)?]),
        }
    }
}

/// What going through the names or cases of a keyword costs.
fn listed(value: &Value) -> Effort {
    let count = match value {
        Value::Object(map) => map.len(),
        Value::Array(items) => items.len(),
        _ => 0,
    };
    Effort::new(20_000 * count as u64, 0)
}

/// What comparing with a value costs.
fn text(value: &Value) -> Effort {
    match value {
        Value::Object(_) | Value::Array(_) | Value::String(_) => {
            Effort::new(2_000 * value.to_string().len() as u64, 0)
        }
        _ => Effort::ZERO,
    }
}
