//! Tables for people, JSON for programs.

use std::io::{self, Write};

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::Value;

use super::Exit;
use crate::source::verify::SignerName;

/// Writes to stdout; a reader that went away is no error.
pub fn line(text: &str) {
    if let Err(error) = writeln!(io::stdout().lock(), "{text}")
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        eprintln!("sandglass: stdout: {error}");
        std::process::exit(Exit::Failed as i32);
    }
}

/// Text of a guest on stdout: lines and tabs stay, other control characters are escaped,
/// so that it can't move the terminal's cursor or hide what stands there.
pub fn untrusted(text: &str) {
    line(&escaped(text));
}

/// Text with control characters escaped, but for line breaks and tabs.
pub fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() && !matches!(character, '\n' | '\t') {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
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

/// Who signed something, each in a line.
pub fn signers(keys: &[SignerName]) -> String {
    if keys.is_empty() {
        return "not verified".to_owned();
    }
    let keys: Vec<_> = keys.iter().map(SignerName::to_string).collect();
    keys.join("\n")
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
    fn a_guest_cannot_reach_the_terminal() {
        assert_eq!(escaped("a\n\t\u{1b}[31mred"), "a\n\t\\u{1b}[31mred");
    }

    #[test]
    fn sizes_are_for_people() {
        assert_eq!(size(12), "12 B");
        assert_eq!(size(94_618), "92.4 KiB");
        assert_eq!(size(3 << 30), "3.0 GiB");
    }
}
