//! CPU time: this process's, and another's.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::param::clock_ticks_per_second;
use rustix::time::{ClockId, clock_gettime};

/// The CPU time that this process has used, all threads together.
pub fn own() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(time).expect("a process has used no negative time")
}

/// The CPU time that another process has used, user and system, in steps of a clock tick (10 ms).
pub fn of(process: u32) -> Result<Duration> {
    let path = format!("/proc/{process}/stat");
    let stat = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let ticks = ticks(&stat).with_context(|| format!("{path} has another form: {stat}"))?;
    let seconds = ticks as f64 / clock_ticks_per_second() as f64;
    Ok(Duration::from_secs_f64(seconds))
}

/// utime and stime: fields 14 and 15 (proc_pid_stat(5)). The second, the program's name, may have spaces.
fn ticks(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut times = after_name.split_whitespace().skip(11);
    let user: u64 = times.next()?.parse().ok()?;
    let system: u64 = times.next()?.parse().ok()?;
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_programs_name_does_not_shift_the_fields() {
        let stat = "1 (a ) b) S 0 1 1 0 -1 4194560 100 0 0 0 40 2 7 7 20 0";
        assert_eq!(ticks(stat), Some(42));
    }
}
