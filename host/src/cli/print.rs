//! Tables for people, JSON for programs.

use std::io::{self, Write};

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::Value;

/// Writes to stdout; a reader that went away is no error.
pub fn line(text: &str) {
    _ = writeln!(io::stdout().lock(), "{text}");
}

/// Pretty JSON on stdout.
pub fn json(value: &Value) {
    line(&format!("{value:#}"));
}

/// A table without lines, as wide as the terminal.
pub fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic);
    if !header.is_empty() {
        table.set_header(header);
    }
    for row in rows {
        table.add_row(row);
    }
    line(&table.trim_fmt());
}

/// A number with its thousands set apart.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('_');
        }
        text.push(digit);
    }
    text
}

/// A size for people: `92.4 KiB`.
pub fn size(bytes: u64) -> String {
    #[allow(clippy::cast_precision_loss, reason = "one decimal is shown")]
    let mut value = bytes as f64;
    for unit in ["B", "KiB", "MiB"] {
        if value < 1024.0 {
            return if unit == "B" {
                format!("{value} {unit}")
            } else {
                format!("{value:.1} {unit}")
            };
        }
        value /= 1024.0;
    }
    format!("{value:.1} GiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(grouped(7), "7");
        assert_eq!(grouped(1234), "1_234");
        assert_eq!(grouped(2_000_000_000), "2_000_000_000");
    }

    #[test]
    fn sizes_are_for_people() {
        assert_eq!(size(12), "12 B");
        assert_eq!(size(94_618), "92.4 KiB");
        assert_eq!(size(3 << 30), "3.0 GiB");
    }
}
