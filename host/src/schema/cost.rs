//! What checking a value against a schema costs, counted before it is checked.
//!
//! A subschema applies to its own place (`allOf`, `$ref`, ..) or to a place below (`properties`, `items`, ..). Where two
//! ways lead from one place to the same place below, and again from there, the applications double with each level of the
//! value. Here they are counted, each subschema once a place, in a walk over the value that ends where the limit is passed.

use std::collections::BTreeMap;
use std::ops::AddAssign;
use std::time::Duration;

use serde_json::Value;

use super::graph::{Graph, Subschema, Way};

/// What a check may cost, its errors told.
pub(super) const MAX: Cost = Cost(50_000_000_000);

/// What the check of a result may cost.
pub(super) const MAX_OF_RESULT: Cost = Cost(1_000_000_000_000);

/// How deep a check may go: levels of the value, each with what is applied to it in place. jsonschema calls itself for each.
const MAX_DEPTH: usize = 1_500;

/// What it costs to look for errors and tell them, of what it costs to know that there are some.
const ERRORS: u64 = 8;

/// CPU time as it is counted, in picoseconds. A machine takes up to ten times as long.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cost(u64);

impl Cost {
    /// None at all.
    pub const ZERO: Self = Self(0);

    /// So much time.
    pub(super) fn of(time: Duration) -> Self {
        Self(u64::try_from(time.as_nanos() * 1_000).unwrap_or(u64::MAX))
    }

    #[cfg(test)]
    pub(super) fn time(self) -> Duration {
        Duration::from_nanos(self.0 / 1_000)
    }

    /// What compiling so many bytes costs.
    pub(super) fn of_compiling(bytes: u64) -> Self {
        Self(bytes.saturating_mul(3_000))
    }

    /// Whether it takes longer than this.
    pub fn exceeds(self, time: Duration) -> bool {
        self > Self::of(time)
    }

    fn add(&mut self, other: u64) {
        self.0 = self.0.saturating_add(other);
    }
}

impl AddAssign for Cost {
    fn add_assign(&mut self, other: Self) {
        self.add(other.0);
    }
}

/// What something costs with so many bytes, in picoseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Effort {
    fixed: u64,
    per_byte: u64,
}

impl Effort {
    pub const ZERO: Self = Self::new(0, 0);

    pub const fn new(fixed: u64, per_byte: u64) -> Self {
        Self { fixed, per_byte }
    }

    pub const fn times(self, times: u64) -> Self {
        Self {
            fixed: self.fixed.saturating_mul(times),
            per_byte: self.per_byte.saturating_mul(times),
        }
    }

    fn with(self, bytes: usize) -> u64 {
        self.fixed
            .saturating_add(self.per_byte.saturating_mul(bytes as u64))
    }
}

impl AddAssign for Effort {
    fn add_assign(&mut self, other: Self) {
        self.fixed = self.fixed.saturating_add(other.fixed);
        self.per_byte = self.per_byte.saturating_add(other.per_byte);
    }
}

/// How often a subschema is applied to a place.
#[derive(Debug, Clone, Copy, Default)]
struct Times {
    /// To know whether the value is valid.
    checks: u64,
    /// To tell its errors.
    errors: u64,
    /// To know what it has evaluated.
    marks: u64,
}

/// By rank: a subschema, and how often it is applied to one place.
type Applied = BTreeMap<usize, (usize, Times)>;

impl Times {
    const ONCE: Self = Self {
        checks: 1,
        errors: 1,
        marks: 0,
    };

    fn add(&mut self, other: Self) {
        self.checks = self.checks.saturating_add(other.checks);
        self.errors = self.errors.saturating_add(other.errors);
        self.marks = self.marks.saturating_add(other.marks);
    }

    /// Walks over a string or another value.
    fn walks(self) -> u64 {
        self.checks
            .saturating_add(self.errors)
            .saturating_add(self.marks)
    }

    fn total(self) -> u64 {
        let errors = self.errors.saturating_mul(ERRORS);
        self.checks
            .saturating_add(errors)
            .saturating_add(self.marks)
    }

    /// Of what a subschema applies to the same place.
    fn in_place(self, subschema: &Subschema, way: Way) -> Self {
        let mut times = self;
        if subschema.is_unevaluated {
            // Telling errors always looks what is evaluated.
            times.marks = times.marks.saturating_add(times.errors);
            if subschema.is_conditional {
                times.marks = times.marks.saturating_add(times.checks);
            }
        }
        times.checks = times.checks.saturating_add(times.marks);
        if way == Way::Tried {
            times.checks = times.checks.saturating_add(times.errors);
        }
        times
    }

    /// Of what it applies to places below.
    fn below(self, subschema: &Subschema) -> Self {
        let marks = if subschema.is_unevaluated {
            self.marks
        } else {
            0
        };
        Self {
            checks: self.checks.saturating_add(marks),
            errors: self.errors,
            marks: 0,
        }
    }
}

impl Graph {
    /// What checking this value costs; where it is more than the limit, anything above.
    pub fn cost(&self, value: &Value, limit: Cost) -> Cost {
        let mut count = Count {
            graph: self,
            spent: Cost::ZERO,
            limit,
        };
        let first = Applied::from([(self.subschemas[0].rank, (0, Times::ONCE))]);
        if !count.place(first, value, 0) {
            count.spent = Cost(count.spent.0.max(limit.0.saturating_add(1)));
        }
        count.spent
    }
}

struct Count<'a> {
    graph: &'a Graph,
    spent: Cost,
    limit: Cost,
}

impl Count<'_> {
    /// Counts what is applied to a place and to all below it, as deep as JSON nests. False where it is too much.
    fn place(&mut self, mut applied: Applied, value: &Value, depth: usize) -> bool {
        let mut here: Vec<(&Subschema, Times)> = Vec::new();
        let (mut own_depth, mut whole) = (0, Effort::ZERO);
        while let Some((_, (index, times))) = applied.pop_first() {
            let subschema = &self.graph.subschemas[index];
            let bytes = match value {
                Value::String(text) => {
                    let cost = subschema.string.with(text.len());
                    self.spent.add(cost.saturating_mul(times.walks()));
                    text.len()
                }
                _ => 8,
            };
            self.spend(subschema.own.with(bytes), times);
            whole += subschema.whole.times(times.walks());
            own_depth = own_depth.max(subschema.depth + 1);
            for &(next, way) in &subschema.in_place {
                self.apply(&mut applied, next, times.in_place(subschema, way));
            }
            here.push((subschema, times));
            if self.spent > self.limit {
                return false;
            }
        }
        let depth = depth + own_depth;
        if depth > MAX_DEPTH {
            return false;
        }
        if whole != Effort::ZERO {
            let Some(bytes) = self.size(value) else {
                return false;
            };
            self.spent.add(whole.with(bytes));
        }
        match value {
            Value::Object(properties) => properties.iter().all(|(name, child)| {
                let (mut below, mut names) = (Applied::new(), Applied::new());
                for (subschema, times) in &here {
                    let cost = subschema.name.with(name.len());
                    self.spent.add(cost.saturating_mul(times.walks()));
                    let times = times.below(subschema);
                    let property = subschema.property.get(name);
                    for &next in property.into_iter().chain(&subschema.any_property) {
                        self.apply(&mut below, next, times);
                    }
                    for &next in &subschema.any_name {
                        self.apply(&mut names, next, times);
                    }
                }
                if !names.is_empty() && !self.place(names, &Value::from(name.as_str()), depth) {
                    return false;
                }
                self.below(below, child, depth)
            }),
            Value::Array(items) => items.iter().all(|child| {
                let mut below = Applied::new();
                for (subschema, times) in &here {
                    for &next in &subschema.item {
                        self.apply(&mut below, next, times.below(subschema));
                    }
                }
                self.below(below, child, depth)
            }),
            _ => self.spent <= self.limit,
        }
    }

    fn below(&mut self, applied: Applied, child: &Value, depth: usize) -> bool {
        if applied.is_empty() {
            // An error of what lies above may copy it.
            return self.size(child).is_some();
        }
        self.place(applied, child, depth)
    }

    fn spend(&mut self, cost: u64, times: Times) {
        self.spent.add(cost.saturating_mul(times.total()));
    }

    fn apply(&self, applied: &mut Applied, index: usize, times: Times) {
        let rank = self.graph.subschemas[index].rank;
        let (_, sum) = applied.entry(rank).or_insert((index, Times::default()));
        sum.add(times);
    }

    /// The bytes of all of a value; none where looking for them is too much.
    fn size(&mut self, value: &Value) -> Option<usize> {
        let mut size = 0;
        let mut left = vec![value];
        while let Some(value) = left.pop() {
            self.spent.add(20_000);
            if self.spent > self.limit {
                return None;
            }
            size += match value {
                Value::String(text) => 8 + text.len(),
                Value::Array(items) => {
                    left.extend(items);
                    16
                }
                Value::Object(properties) => {
                    left.extend(properties.values());
                    16 + properties.keys().map(|name| 16 + name.len()).sum::<usize>()
                }
                _ => 8,
            };
        }
        Some(size)
    }
}
