//! What was found, as one table or as JSON.

use std::borrow::Cow;
use std::fmt;

use comfy_table::{CellAlignment, Table, presets};
use serde_json::{Value, json};

use crate::machine::Machine;
use crate::rounds::{Sample, Series};

/// Everything that was found.
pub struct Report {
    machine: Machine,
    answers: Vec<(&'static str, Vec<Row>)>,
    failures: Vec<(&'static str, String)>,
}

/// One measure.
pub struct Row {
    measure: Cow<'static, str>,
    quantity: Quantity,
    ours: f64,
    comparison: Option<Comparison>,
    bar: Option<Bar>,
}

struct Comparison {
    baseline: f64,
    /// The median of the rounds' ratios, which is not quite the ratio of the medians.
    ratio: f64,
}

/// What is read from a sample.
#[derive(Clone, Copy)]
pub struct Quantity {
    unit: &'static str,
    of: fn(&Sample) -> f64,
}

impl Quantity {
    /// CPU time a call.
    pub const CPU: Self = Self::new("us", Sample::cpu_a_call);
    /// Time a call, one after the other.
    pub const TIME: Self = Self::new("us", Sample::wall_a_call);
    /// Calls a second.
    pub const THROUGHPUT: Self = Self::new("/s", Sample::throughput);
    /// Half of the calls were answered within this time.
    pub const P50: Self = Self::new("us", |sample| sample.percentile(50));
    /// So were 99 of 100 calls.
    pub const P99: Self = Self::new("us", |sample| sample.percentile(99));
    /// Time; no property of a call.
    pub const SECONDS: Self = Self::new("s", |_| f64::NAN);
    /// Memory; no property of a call.
    pub const KIBIBYTES: Self = Self::new("KiB", |_| f64::NAN);

    const fn new(unit: &'static str, of: fn(&Sample) -> f64) -> Self {
        Self { unit, of }
    }

    fn show(self, value: f64) -> String {
        let decimals = match value {
            ..10.0 => 2,
            ..1_000.0 => 1,
            _ => 0,
        };
        format!("{value:.decimals$} {}", self.unit)
    }
}

/// What a ratio or a value has to meet.
#[derive(Clone, Copy)]
pub struct Bar {
    direction: Direction,
    first_day: f64,
    goal: f64,
}

#[derive(Clone, Copy)]
enum Direction {
    AtMost,
    AtLeast,
}

/// How a ratio stands to its bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Goal,
    FirstDay,
    Missed,
}

impl Bar {
    /// A ratio that must not be larger.
    pub const fn at_most(first_day: f64, goal: f64) -> Self {
        Self {
            direction: Direction::AtMost,
            first_day,
            goal,
        }
    }

    /// A ratio that must not be smaller.
    pub const fn at_least(first_day: f64, goal: f64) -> Self {
        Self {
            direction: Direction::AtLeast,
            first_day,
            goal,
        }
    }

    fn sign(self) -> &'static str {
        match self.direction {
            Direction::AtMost => "<=",
            Direction::AtLeast => ">=",
        }
    }

    fn judge(self, ratio: f64) -> Verdict {
        let meets = |bar| match self.direction {
            Direction::AtMost => ratio <= bar,
            Direction::AtLeast => ratio >= bar,
        };
        if meets(self.goal) {
            Verdict::Goal
        } else if meets(self.first_day) {
            Verdict::FirstDay
        } else {
            Verdict::Missed
        }
    }
}

impl Verdict {
    fn name(self) -> &'static str {
        match self {
            Self::Goal => "ok, goal",
            Self::FirstDay => "ok",
            Self::Missed => "MISS",
        }
    }
}

impl Row {
    /// A measure of two.
    pub fn compare(
        measure: impl Into<Cow<'static, str>>,
        ours: &Series,
        baseline: &Series,
        quantity: Quantity,
    ) -> Self {
        Self {
            measure: measure.into(),
            quantity,
            ours: ours.median(quantity.of),
            comparison: Some(Comparison {
                baseline: baseline.median(quantity.of),
                ratio: ours.ratio(baseline, quantity.of),
            }),
            bar: None,
        }
    }

    /// A measure that nothing is compared with.
    pub fn alone(measure: impl Into<Cow<'static, str>>, quantity: Quantity, ours: f64) -> Self {
        Self {
            measure: measure.into(),
            quantity,
            ours,
            comparison: None,
            bar: None,
        }
    }

    /// With what it has to meet: the ratio, or the value itself where nothing is compared.
    pub fn with_bar(mut self, bar: Bar) -> Self {
        self.bar = Some(bar);
        self
    }

    fn verdict(&self) -> Option<Verdict> {
        let judged = self
            .comparison
            .as_ref()
            .map_or(self.ours, |with| with.ratio);
        Some(self.bar?.judge(judged))
    }

    fn cells(&self) -> Vec<String> {
        let comparison = self.comparison.as_ref();
        let or_empty = |text: Option<String>| text.unwrap_or_default();
        let bar = |of: fn(Bar) -> f64| {
            or_empty(self.bar.map(|bar| format!("{} {}", bar.sign(), of(bar))))
        };
        vec![
            self.measure.to_string(),
            self.quantity.show(self.ours),
            or_empty(comparison.map(|with| self.quantity.show(with.baseline))),
            or_empty(comparison.map(|with| format!("{:.2}", with.ratio))),
            bar(|bar| bar.first_day),
            bar(|bar| bar.goal),
            or_empty(self.verdict().map(|verdict| verdict.name().to_owned())),
        ]
    }

    fn to_json(&self, question: &str) -> Value {
        let comparison = self.comparison.as_ref();
        json!({
            "question": question,
            "measure": self.measure,
            "unit": self.quantity.unit,
            "ours": self.ours,
            "baseline": comparison.map(|with| with.baseline),
            "ratio": comparison.map(|with| with.ratio),
            "bar": self.bar.map(|bar| json!({
                "direction": bar.sign(),
                "first_day": bar.first_day,
                "goal": bar.goal,
            })),
            "verdict": self.verdict().map(Verdict::name),
        })
    }
}

impl Report {
    /// Nothing found yet.
    pub fn new(machine: Machine) -> Self {
        Self {
            machine,
            answers: Vec::new(),
            failures: Vec::new(),
        }
    }

    /// A question has its answer.
    pub fn answered(&mut self, question: &'static str, rows: Vec<Row>) {
        self.answers.push((question, rows));
    }

    /// A question has none.
    pub fn failed(&mut self, question: &'static str, error: &anyhow::Error) {
        self.failures.push((question, format!("{error:#}")));
    }

    /// Whether every question has its answer.
    pub fn is_complete(&self) -> bool {
        self.failures.is_empty()
    }

    /// For programs.
    pub fn to_json(&self) -> Value {
        let rows: Vec<Value> = self
            .answers
            .iter()
            .flat_map(|(question, rows)| rows.iter().map(|row| row.to_json(question)))
            .collect();
        let failures: Vec<Value> = self
            .failures
            .iter()
            .map(|(question, reason)| json!({"question": question, "reason": reason}))
            .collect();
        json!({"machine": self.machine, "rows": rows, "not_measured": failures})
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_header([
            "measure",
            "ours",
            "baseline",
            "ratio",
            "first day",
            "goal",
            "",
        ]);
        for row in self.answers.iter().flat_map(|(_, rows)| rows) {
            table.add_row(row.cells());
        }
        for column in table.column_iter_mut().skip(1).take(3) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        writeln!(f, "{}\n", self.machine)?;
        writeln!(f, "{}\n", table.trim_fmt())?;
        write!(
            f,
            "Medians over rounds in turn; a ratio is the median of the rounds' ratios."
        )?;
        for (question, reason) in &self.failures {
            write!(f, "\nnot measured: {question}: {reason}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_judged_in_the_bars_direction() {
        let judge = |bar: Bar| [0.5, 1.0, 2.0].map(|ratio| bar.judge(ratio));
        use Verdict::{FirstDay, Goal, Missed};
        assert_eq!(judge(Bar::at_most(1.2, 0.6)), [Goal, FirstDay, Missed]);
        assert_eq!(judge(Bar::at_least(0.9, 1.5)), [Missed, FirstDay, Goal]);
    }
}
