//! Tables for people, JSON for programs.

use std::io::{self, Write};

use comfy_table::{ContentArrangement, Table, presets};
use sandglass_text::{Line, lines};
use serde_json::Value;

use super::Exit;
use crate::source::verify::SignerName;

/// Writes to stdout; a reader that went away is no error. Whoever wrote the text can't move the terminal's cursor or hide what
/// stands there: line breaks and tabs stay, other hidden characters are escaped.
pub fn line(text: &str) {
    write(&lines(text));
}

fn write(text: &str) {
    if let Err(error) = writeln!(io::stdout().lock(), "{text}")
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        eprintln!("sandglass: stdout: {error}");
        std::process::exit(Exit::Failed as i32);
    }
}

/// Text below a line: what others say in several lines does not look as if it were ours.
pub fn indented(text: &str) -> String {
    text.replace('\n', "\n    ")
}

/// An error of somebody else on stderr.
pub fn error(text: &str) {
    eprintln!("sandglass: {}", lines(&indented(text)));
}

/// Pretty JSON on stdout, exact: what is hidden in its strings is escaped as JSON does it.
pub fn json(value: &Value) {
    write(&sandglass_text::json::laid_out(&format!("{value:#}")));
}

/// A table without lines, as wide as the terminal. A cell may have several lines, but not the first of a row: each begins one.
pub fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic);
    if !header.is_empty() {
        table.set_header(header);
    }
    for row in rows {
        let cells = row.iter().enumerate();
        table.add_row(cells.map(|(column, cell)| match column {
            0 => Line::new(cell).into(),
            _ => lines(cell),
        }));
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
    fn sizes_are_for_people() {
        assert_eq!(size(12), "12 B");
        assert_eq!(size(94_618), "92.4 KiB");
        assert_eq!(size(3 << 30), "3.0 GiB");
    }
}
