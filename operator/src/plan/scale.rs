//! How many pods a server has.

use serde_json::{Value, json};

use super::problem::{Problem, Reason};
use crate::crd::{Autoscaling, DisruptionBudget};

/// The share of the CPU that is aimed at where a server says nothing, in percent.
const TARGET_CPU: i32 = 80;

/// Who says how many pods there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Nobody here: one at first, then whatever others scale it to.
    Free,
    /// The spec.
    Fixed(i32),
    /// A HorizontalPodAutoscaler.
    Automatic {
        /// The fewest.
        min: i32,
        /// The most.
        max: i32,
        /// The share of the requested CPU that is aimed at, in percent.
        target_cpu: i32,
    },
}

impl Scale {
    /// What a spec asks for.
    pub fn parse(
        replicas: Option<i32>,
        autoscaling: Option<&Autoscaling>,
    ) -> Result<Self, Problem> {
        let invalid =
            |field: &str, message: &str| Err(Problem::new(Reason::InvalidScale, field, message));
        match (replicas, autoscaling) {
            (None, None) => Ok(Self::Free),
            (Some(replicas), None) => Ok(Self::Fixed(replicas)),
            (Some(_), Some(_)) => invalid(
                "spec.replicas",
                "there is `autoscaling` too, which changes the number; remove one of them",
            ),
            (None, Some(autoscaling)) => {
                let min = autoscaling.min_replicas.unwrap_or(1);
                let max = autoscaling.max_replicas;
                if min > max {
                    return invalid(
                        "spec.autoscaling.maxReplicas",
                        "it is less than `minReplicas`; raise it",
                    );
                }
                let target_cpu = autoscaling
                    .target_cpu_utilization_percentage
                    .unwrap_or(TARGET_CPU);
                Ok(Self::Automatic {
                    min,
                    max,
                    target_cpu,
                })
            }
        }
    }
}

/// How many pods may be missing while nodes are drained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Budget {
    /// So many stay.
    MinAvailable(Amount),
    /// So many may be missing.
    MaxUnavailable(Amount),
}

/// A number of pods, or a share of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    /// So many, as an API server can read them.
    Pods(i32),
    /// In percent, up to 100.
    Percent(u8),
}

impl Budget {
    /// What a spec asks for.
    pub fn parse(budget: Option<&DisruptionBudget>) -> Result<Option<Self>, Problem> {
        let Some(budget) = budget else {
            return Ok(None);
        };
        let amount = |key: &str, value: &Value| {
            Amount::parse(value).ok_or_else(|| {
                let message = format!(
                    "{value} is no number of pods; write a whole number such as 1, or a share such as \"50%\""
                );
                let field = format!("spec.disruptionBudget.{key}");
                Problem::new(Reason::InvalidScale, field, message)
            })
        };
        match (&budget.min_available, &budget.max_unavailable) {
            (Some(least), None) => Ok(Some(Self::MinAvailable(amount("minAvailable", least)?))),
            (None, Some(most)) => Ok(Some(Self::MaxUnavailable(amount("maxUnavailable", most)?))),
            _ => Err(Problem::new(
                Reason::InvalidScale,
                "spec.disruptionBudget",
                "it needs exactly one of `minAvailable` and `maxUnavailable`",
            )),
        }
    }

    /// As a PodDisruptionBudget's spec has it.
    pub fn of_spec(self) -> Value {
        match self {
            Self::MinAvailable(least) => json!({ "minAvailable": least.of_spec() }),
            Self::MaxUnavailable(most) => json!({ "maxUnavailable": most.of_spec() }),
        }
    }
}

impl Amount {
    fn parse(value: &Value) -> Option<Self> {
        if let Value::String(text) = value {
            let digits = text.strip_suffix('%')?;
            let is_number = digits.bytes().all(|b| b.is_ascii_digit());
            let percent = digits.parse().ok().filter(|percent| *percent <= 100)?;
            return is_number.then_some(Self::Percent(percent));
        }
        let pods = i32::try_from(value.as_i64()?).ok()?;
        (pods >= 0).then_some(Self::Pods(pods))
    }

    fn of_spec(self) -> Value {
        match self {
            Self::Pods(pods) => json!(pods),
            Self::Percent(percent) => json!(format!("{percent}%")),
        }
    }
}
