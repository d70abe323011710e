//! How far a call is, and whether it is still wanted.

use crate::host;

/// Tells the caller how far the call is. `progress` must grow with each call;
/// `total` is what it will have grown to, where that is known.
///
/// In native tests it does nothing.
///
/// ```
/// use sandglass_sdk::{progress, tool};
///
/// /// Adds up.
/// #[tool]
/// fn sum(numbers: Vec<i64>) -> i64 {
///     let (mut sum, total) = (0, numbers.len() as f64);
///     for (done, number) in (1..).zip(numbers) {
///         sum += number;
///         progress(f64::from(done), Some(total), None);
///     }
///     sum
/// }
/// ```
pub fn progress(progress: f64, total: Option<f64>, message: Option<&str>) {
    host::progress(progress, total, message);
}

/// True once the caller no longer wants the answer. The host stops the call
/// soon after by itself; this is for ending well.
///
/// In native tests it is false.
///
/// ```
/// let mut rounds = 0;
/// while rounds < 1000 && !sandglass_sdk::cancelled() {
///     rounds += 1;
/// }
/// # assert_eq!(rounds, 1000);
/// ```
pub fn cancelled() -> bool {
    host::cancelled()
}
