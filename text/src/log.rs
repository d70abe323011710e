//! A log whose lines are the program's own, whatever is logged: each field, and what is said, is bounded and in one line, so
//! that no place that logs has to see to it.

use std::fmt::{self, Debug, Write};

use tracing::field::{Field, Visit};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::Writer;

use crate::escape::Cut;
use crate::line::Line;

/// Bytes of what a line says beside its fields.
pub const MAX_MESSAGE: usize = 8 << 10;

/// How the fields of a line are written: as `tracing-subscriber` does it, but each in one line, of at most [`MAX_MESSAGE`] or
/// [`Line::MAX`] bytes, with hidden characters shown escaped.
#[derive(Debug, Clone, Copy)]
pub struct Fields;

impl<'writer> FormatFields<'writer> for Fields {
    fn format_fields<R: RecordFields>(
        &self,
        mut writer: Writer<'writer>,
        fields: R,
    ) -> fmt::Result {
        let mut visitor = Visitor {
            writer: &mut writer,
            is_first: true,
            written: Ok(()),
        };
        fields.record(&mut visitor);
        visitor.written
    }
}

struct Visitor<'a, 'writer> {
    writer: &'a mut Writer<'writer>,
    is_first: bool,
    written: fmt::Result,
}

impl Visitor<'_, '_> {
    fn write(&mut self, name: &str, value: &dyn Debug) -> fmt::Result {
        if !std::mem::take(&mut self.is_first) {
            self.writer.write_char(' ')?;
        }
        let max = if name == "message" {
            MAX_MESSAGE
        } else {
            let name = name.strip_prefix("r#").unwrap_or(name);
            if self.writer.has_ansi_escapes() {
                write!(self.writer, "\x1b[3m{name}\x1b[0m\x1b[2m=\x1b[0m")?;
            } else {
                write!(self.writer, "{name}=")?;
            }
            Line::MAX
        };
        let mut cut = Cut::new(self.writer, max);
        write!(cut, "{value:?}")?;
        cut.finish()
    }
}

impl Visit for Visitor<'_, '_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.record_debug(field, &format_args!("{value}"));
        } else {
            self.record_debug(field, &value);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // Where a record of the `log` crate comes from is not a field.
        if self.written.is_ok() && !field.name().starts_with("log.") {
            self.written = self.write(field.name(), value);
        }
    }
}

/// Has panics say their words in the log: by themselves they write them to stderr as they are. Who sets `RUST_BACKTRACE`
/// wants to see them there. For after the log has begun.
pub fn take_panics() {
    if std::env::var_os("RUST_BACKTRACE").is_some_and(|wanted| wanted != "0") {
        return;
    }
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        let words = panic.payload_as_str().unwrap_or("without words");
        tracing::error!(target: "panic", place, "a thread panicked: {words}");
    }));
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use proptest::prelude::*;

    use super::*;
    use crate::hidden::is_hidden;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(ansi: bool, log: impl FnOnce()) -> String {
        let kept = Kept::default();
        let writer = kept.clone();
        let subscriber = tracing_subscriber::fmt()
            .fmt_fields(Fields)
            .with_ansi(ansi)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, log);
        String::from_utf8(kept.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn lines_are_written_as_ever() {
        let line = logged(false, || {
            let error = io::Error::other("a reason");
            tracing::info!(source = "a \"b\"", tools = 3, %error, "loaded {}", "again");
        });
        let (_, line) = line.split_once(" INFO ").unwrap();
        assert_eq!(
            line,
            "sandglass_text::log::tests: loaded again source=\"a \\\"b\\\"\" tools=3 error=a reason\n"
        );
    }

    #[test]
    fn no_field_is_without_a_bound() {
        let long = "x".repeat(1 << 20);
        let line = logged(false, || {
            tracing::error!(source = long, error = %long, other = ?long, "{long}");
        });
        assert!(line.len() < MAX_MESSAGE + 3 * Line::MAX + 1_000);
        assert_eq!(line.matches("bytes more)").count(), 4);
    }

    #[test]
    fn colours_are_the_logs_own() {
        let line = logged(true, || {
            tracing::error!(source = "\u{1b}[31m", error = %"\u{1b}[31m", "\u{1b}[31m");
        });
        assert_eq!(line.matches("\\u{1b}[31m").count(), 3, "{line:?}");
    }

    proptest! {
        #[test]
        fn whatever_is_logged_makes_one_line(text in any::<String>()) {
            let line = logged(false, || {
                tracing::warn!(source = text, error = %text, other = ?text, "{text}");
            });
            let line = line.strip_suffix('\n').unwrap();
            prop_assert!(!line.chars().any(is_hidden), "{:?}", line);
        }
    }
}
