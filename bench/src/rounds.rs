//! How a measure is taken: the subjects take turns, so that what slows the
//! machine down for a while slows all of them, and medians count.

use std::time::Duration;

use anyhow::Result;

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// Turns of each subject that count.
    pub rounds: usize,
    /// How long a turn takes where load comes from a client.
    pub window: Duration,
    /// Calls of a turn in process.
    pub calls: u32,
    /// The most components that are loaded.
    pub components: u32,
    /// Sessions that are open at once.
    pub sessions: u32,
}

impl Effort {
    /// To compare.
    pub const FULL: Self = Self {
        rounds: 7,
        window: Duration::from_millis(2_000),
        calls: 4_000,
        components: 1_000,
        sessions: 10_000,
    };
    /// To see that everything runs.
    pub const QUICK: Self = Self {
        rounds: 3,
        window: Duration::from_millis(400),
        calls: 400,
        components: 200,
        sessions: 500,
    };
}

/// What a turn gave.
#[derive(Debug, Clone, Default)]
pub struct Sample {
    /// Calls that were made and answered well.
    pub calls: u64,
    /// CPU time of who was measured.
    pub cpu: Duration,
    /// How long the turn took.
    pub wall: Duration,
    /// How long each call took, in order of length; empty where that was not asked.
    pub latencies: Vec<Duration>,
}

impl Sample {
    /// Microseconds of CPU a call.
    pub fn cpu_a_call(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.calls as f64
    }

    /// Microseconds a call, where one was made after the other.
    pub fn wall_a_call(&self) -> f64 {
        self.wall.as_secs_f64() * 1e6 / self.calls as f64
    }

    /// Calls a second.
    pub fn throughput(&self) -> f64 {
        self.calls as f64 / self.wall.as_secs_f64()
    }

    /// The microseconds within which this share (0 to 100) of the calls were answered.
    pub fn percentile(&self, share: usize) -> f64 {
        let index =
            (self.latencies.len() * share / 100).min(self.latencies.len().saturating_sub(1));
        self.latencies
            .get(index)
            .map_or(f64::NAN, |latency| latency.as_secs_f64() * 1e6)
    }
}

/// Who takes turns.
pub type Subject<'a> = Box<dyn FnMut() -> Result<Sample> + 'a>;

/// What a subject's turns gave, in order.
pub struct Series(Vec<Sample>);

/// Lets the subjects take turns: a first one each that does not count, then `rounds` that do, every other one in
/// the opposite order.
pub fn take_turns<const N: usize>(
    rounds: usize,
    mut subjects: [Subject<'_>; N],
) -> Result<[Series; N]> {
    for subject in &mut subjects {
        subject()?;
    }
    let mut series = [const { Series(Vec::new()) }; N];
    for round in 0..rounds {
        for turn in 0..N {
            let index = if round % 2 == 0 { turn } else { N - 1 - turn };
            series[index].0.push(subjects[index]()?);
        }
    }
    Ok(series)
}

impl Series {
    /// The median over the turns.
    pub fn median(&self, of: fn(&Sample) -> f64) -> f64 {
        median(self.0.iter().map(of))
    }

    /// The median of the ratios within each round.
    pub fn ratio(&self, baseline: &Self, of: fn(&Sample) -> f64) -> f64 {
        median(
            self.0
                .iter()
                .zip(&baseline.0)
                .map(|(ours, theirs)| of(ours) / of(theirs)),
        )
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => values[odd / 2],
        even => f64::midpoint(values[even / 2 - 1], values[even / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_one_or_between_the_two() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), 2.0);
        assert_eq!(median([4.0, 1.0, 2.0, 3.0].into_iter()), 2.5);
        assert!(median(std::iter::empty()).is_nan());
    }

    #[test]
    fn subjects_take_turns_in_alternating_order_after_a_first_one() {
        let order = std::cell::RefCell::new(String::new());
        let subject = |name: char| -> Subject<'_> {
            let order = &order;
            Box::new(move || {
                order.borrow_mut().push(name);
                Ok(Sample::default())
            })
        };
        let series = take_turns(2, [subject('a'), subject('b')]).unwrap();
        assert_eq!(*order.borrow(), "ababba");
        assert_eq!(series.map(|series| series.0.len()), [2, 2]);
    }

    #[test]
    fn a_percentile_is_the_time_within_which_that_share_was_answered() {
        let sample = Sample {
            latencies: (1..=100).map(Duration::from_micros).collect(),
            ..Sample::default()
        };
        assert_eq!(sample.percentile(50), 51.0);
        assert_eq!(sample.percentile(99), 100.0);
    }
}
