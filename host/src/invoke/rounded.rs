//! Integers in JSON text that are no longer the same when the text was read: a parsed number has 64 bits, or is a float.

use std::fmt;

use serde_json::Value;

/// Decimal digits of the shortest integer beyond 64 bits (-9223372036854775809).
const DIGITS: usize = 19;

/// An integer that was rounded.
#[derive(Debug, PartialEq)]
pub struct Rounded {
    /// Where, as a path of names and indices; empty for the whole.
    place: String,
    digits: usize,
}

impl fmt::Display for Rounded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place.as_str() {
            "" => write!(f, "is an integer of {} digits", self.digits),
            place => write!(f, "has an integer of {} digits at `{place}`", self.digits),
        }
    }
}

/// The first integer of a valid JSON text that was rounded. What a float's own digits write, such as JavaScript's
/// 100000000000000000000, is what it was.
pub fn integer(text: &str) -> Option<Rounded> {
    if !has_long_digits(text.as_bytes()) {
        return None;
    }
    let (literal, float) =
        numbers(text).find_map(|literal| Some((literal, rounds_to(literal)?)))?;
    let mut place = Vec::new();
    if let Ok(value) = serde_json::from_str(text) {
        find(&value, float, &mut place);
    }
    Some(Rounded {
        place: place.join("/"),
        digits: literal.trim_start_matches('-').len(),
    })
}

/// Whether as many digits as are needed stand side by side. One of them is at a multiple of their number: texts are long,
/// and few have any.
fn has_long_digits(text: &[u8]) -> bool {
    let is_digit = |byte: &&u8| byte.is_ascii_digit();
    (DIGITS - 1..text.len()).step_by(DIGITS).any(|at| {
        let (before, after) = text.split_at(at);
        let before = before.iter().rev().take_while(is_digit).count();
        let after = after.iter().take_while(is_digit).count();
        after > 0 && before + after >= DIGITS
    })
}

/// The numbers of a valid JSON text.
fn numbers(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            rest = &rest[rest.find(|c: char| c == '"' || c == '-' || c.is_ascii_digit())?..];
            if let Some(inside) = rest.strip_prefix('"') {
                rest = after_string(inside);
                continue;
            }
            let belongs = |c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | 'e' | 'E');
            let (number, after) = rest.split_at(rest.find(|c| !belongs(c)).unwrap_or(rest.len()));
            rest = after;
            return Some(number);
        }
    })
}

fn after_string(inside: &str) -> &str {
    let mut escaped = false;
    let end = inside.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    end.map_or("", |end| &inside[end + 1..])
}

/// What an integer became, where that is another number.
fn rounds_to(literal: &str) -> Option<f64> {
    let digits = literal.trim_start_matches('-');
    let is_integer = digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_integer || literal.parse::<i64>().is_ok() || literal.parse::<u64>().is_ok() {
        return None;
    }
    let float: f64 = literal.parse().ok()?;
    // The float's shortest digits: 1.8446744073709552e19.
    let written = format!("{:e}", float.abs());
    let (mantissa, exponent) = written.split_once('e')?;
    let same = mantissa.replace('.', "").trim_end_matches('0') == digits.trim_end_matches('0')
        && exponent.parse() == Ok(digits.len() - 1);
    (!same).then_some(float)
}

/// The way to the first place with this number.
fn find(value: &Value, float: f64, place: &mut Vec<String>) -> bool {
    let mut within = |name: String, value: &Value| {
        place.push(name);
        let found = find(value, float, place);
        if !found {
            place.pop();
        }
        found
    };
    match value {
        Value::Number(number) => number.is_f64() && number.as_f64() == Some(float),
        Value::Array(items) => {
            let mut items = items.iter().enumerate();
            items.any(|(index, item)| within(index.to_string(), item))
        }
        Value::Object(properties) => {
            let mut properties = properties.iter();
            properties.any(|(name, value)| within(name.clone(), value))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_integer_that_was_rounded_is_told_with_its_place() {
        for (text, expected) in [
            ("15511210043330985984000000", "is an integer of 26 digits"),
            ("-9223372036854775809", "is an integer of 19 digits"),
            (
                r#"{"a\"9": [1, {"n": 18446744073709551617}]}"#,
                "has an integer of 20 digits at `a\"9/1/n`",
            ),
        ] {
            let rounded = integer(text).map(|rounded| rounded.to_string());
            assert_eq!(rounded.as_deref(), Some(expected), "{text}");
        }
        // Wherever the digits stand.
        for before in 0..40 {
            let text = format!("{}-9223372036854775809", " ".repeat(before));
            assert!(integer(&text).is_some(), "{before}");
        }
    }

    #[test]
    fn what_is_the_same_when_read_is_left_alone() {
        for text in [
            "18446744073709551615",
            "-9223372036854775808",
            "15511210043330985984000000.5",
            "1.5511210043330985984000000e25",
            "100000000000000000000",
            "-18446744073709552000",
            "10000000000000000000000000",
            r#"{"15511210043330985984000000": "15511210043330985984000000 \" 15511210043330985984000001"}"#,
            r#"["\\", "15511210043330985984000000"]"#,
        ] {
            assert_eq!(integer(text), None, "{text}");
        }
    }
}
