//! What a process writes, line by line.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

/// Text that a process writes, collected while it runs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log(Arc<Mutex<(String, bool)>>);

impl Log {
    pub(crate) fn of(pipe: impl AsyncRead + Unpin + Send + 'static) -> Self {
        let log = Self::default();
        let kept = log.clone();
        tokio::spawn(async move {
            let mut lines = BufReader::new(pipe).split(b'\n');
            while let Ok(Some(line)) = lines.next_segment().await {
                let mut kept = kept.0.lock().unwrap_or_else(PoisonError::into_inner);
                kept.0.push_str(&String::from_utf8_lossy(&line));
                kept.0.push('\n');
            }
            kept.0.lock().unwrap_or_else(PoisonError::into_inner).1 = true;
        });
        log
    }

    pub(crate) fn text(&self) -> String {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .0
            .clone()
    }

    pub(crate) fn ended(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1
    }

    /// The address after these words.
    pub(crate) fn url(&self, words: &str) -> Option<String> {
        let text = self.text();
        ["http://", "https://"].into_iter().find_map(|scheme| {
            let authority = Self::authority(&text, &format!("{words} {scheme}"))?;
            Some(format!("{scheme}{authority}"))
        })
    }

    /// The `host:port` that follows some words. The line is whole only once its end was read, which `of` makes sure of.
    pub(crate) fn authority<'a>(text: &'a str, after: &str) -> Option<&'a str> {
        let (_, rest) = text.split_once(after)?;
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || ".:[]".contains(c)))?;
        Some(&rest[..end])
    }
}
