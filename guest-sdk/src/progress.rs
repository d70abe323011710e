//! How far a call is, and whether it is still wanted.

use crate::host;

/// Tells the caller how far the call is. `progress` must grow with each call;
/// `total` is what it will have grown to, where that is known.
///
/// In native tests it does nothing.
pub fn progress(progress: f64, total: Option<f64>, message: Option<&str>) {
    host::progress(progress, total, message);
}

/// True once the caller no longer wants the answer. The host stops the call
/// soon after by itself; this is for ending well.
///
/// In native tests it is false.
pub fn cancelled() -> bool {
    host::cancelled()
}
