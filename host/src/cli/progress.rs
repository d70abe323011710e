//! How far long work is: a bar on stderr, where that is a terminal.

use std::sync::Arc;

use indicatif::{ProgressBar, ProgressStyle};

use crate::source::Progress;

/// A bar for bytes that come or go, and what moves it.
pub fn of_bytes() -> (ProgressBar, Progress) {
    let bar = ProgressBar::no_length().with_style(
        ProgressStyle::with_template("{bytes} of {total_bytes} {wide_bar} {bytes_per_sec}")
            .expect("a template of ours"),
    );
    let shown = bar.clone();
    let progress = move |done, whole: Option<u64>| {
        whole.into_iter().for_each(|whole| shown.set_length(whole));
        shown.set_position(done);
    };
    (bar, Arc::new(progress))
}
