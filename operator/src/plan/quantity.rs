//! Quantities of Kubernetes: what is sent is written as the API server writes it, or it never seems to be what was asked for.

use std::fmt;
use std::str::FromStr;

use serde_json::Value;

/// An amount of a resource, such as `500m` or `128Mi`: not negative, and rounded up to thousandths, as the API server does
/// it (apimachinery, `resource.Quantity`, and the defaults of a ResourceList).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quantity {
    thousandths: u128,
    format: Format,
}

/// The suffixes that an amount was written with, and is written with again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Decimal,
    Exponent,
    Binary,
}

/// By the power of 1000 that they stand for, from the thousandth on.
const DECIMAL: [&str; 8] = ["m", "", "k", "M", "G", "T", "P", "E"];

/// By the power of 1024 that they stand for.
const BINARY: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

/// What the API server cuts amounts with binary suffixes down to (2^63 - 1).
const MOST: u128 = i64::MAX as u128 * 1000;

impl Quantity {
    /// A quantity in a document: a text, or a number, which `kubectl apply` takes as well.
    pub fn of_value(value: &Value) -> Result<Self, String> {
        match value {
            Value::String(text) => text.parse(),
            // Without an exponent, which would be a format of its own.
            Value::Number(number) if number.is_f64() => {
                number.as_f64().unwrap_or_default().to_string().parse()
            }
            Value::Number(number) => number.to_string().parse(),
            other => Err(no_quantity(&other.to_string())),
        }
    }
}

impl FromStr for Quantity {
    type Err = String;

    fn from_str(given: &str) -> Result<Self, String> {
        let wrong = || no_quantity(given);
        let unsigned = given.strip_prefix('+').unwrap_or(given);
        let end = unsigned
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(unsigned.len());
        let (number, suffix) = unsigned.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let fraction = fraction.trim_end_matches('0');
        if number.chars().filter(char::is_ascii_digit).count() == 0 || fraction.contains('.') {
            return Err(wrong());
        }
        let (format, factor, exponent) = suffix_of(suffix).ok_or_else(wrong)?;
        let digits = format!("{whole}{fraction}");
        let digits = digits.trim_start_matches('0');
        if digits.is_empty() {
            return Ok(Self {
                thousandths: 0,
                format,
            });
        }
        let digits: u128 = digits.parse().map_err(|_| wrong())?;
        let places = i32::try_from(fraction.len()).map_err(|_| wrong())?;
        let exponent = exponent.saturating_add(3).saturating_sub(places);
        let power = 10u128.checked_pow(exponent.unsigned_abs());
        let amount = digits.checked_mul(factor).ok_or_else(wrong)?;
        let thousandths = match (exponent, power) {
            (0.., power) => power.and_then(|power| amount.checked_mul(power)),
            (_, Some(power)) => Some(amount.div_ceil(power)),
            // Whatever it is, it is something.
            (_, None) => Some(1),
        };
        match thousandths {
            Some(thousandths @ ..=MOST) => Ok(Self {
                thousandths,
                format,
            }),
            _ => Err(format!("`{given}` is more than there can be; write less")),
        }
    }
}

/// What a suffix stands for: a factor, and a power of ten.
fn suffix_of(suffix: &str) -> Option<(Format, u128, i32)> {
    if let Some(power) = DECIMAL.iter().position(|it| *it == suffix) {
        let power = i32::try_from(power).ok()?;
        return Some((Format::Decimal, 1, 3 * power - 3));
    }
    if let Some(power) = BINARY.iter().position(|it| *it == suffix) {
        return Some((Format::Binary, 1 << (10 * power), 0));
    }
    match suffix {
        "u" => Some((Format::Decimal, 1, -6)),
        "n" => Some((Format::Decimal, 1, -9)),
        _ => {
            let exponent: i16 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
            Some((Format::Exponent, 1, exponent.into()))
        }
    }
}

/// The largest suffix with which it is a whole number. What is no whole number, or less than 1024, has no binary one.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            thousandths,
            format,
        } = *self;
        if thousandths == 0 {
            return f.write_str("0");
        }
        let is_binary =
            format == Format::Binary && thousandths % 1000 == 0 && thousandths >= 1024 * 1000;
        let (mut number, base, last) = if is_binary {
            (thousandths / 1000, 1024, BINARY.len())
        } else {
            (thousandths, 1000, DECIMAL.len())
        };
        let mut power = 0;
        while number % base == 0 && power + 1 < last {
            number /= base;
            power += 1;
        }
        match format {
            _ if is_binary => write!(f, "{number}{}", BINARY[power]),
            // An exponent of zero is not written.
            Format::Exponent if power == 0 => write!(f, "{number}e-3"),
            Format::Exponent if power > 1 => write!(f, "{number}e{}", 3 * power - 3),
            Format::Exponent => write!(f, "{number}"),
            _ => write!(f, "{number}{}", DECIMAL[power]),
        }
    }
}

fn no_quantity(given: &str) -> String {
    format!(
        "`{given}` is no quantity; write a number that is not negative, such as `0.5` or `500m` of CPU, or `128Mi` of memory"
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_is_written_as_the_api_server_writes_it() {
        for (given, written) in [
            (json!("0.1"), "100m"),
            (json!("100m"), "100m"),
            (json!("1000m"), "1"),
            (json!("1500m"), "1500m"),
            (json!("+1"), "1"),
            (json!("1."), "1"),
            (json!(".5"), "500m"),
            (json!("007"), "7"),
            (json!("1.50"), "1500m"),
            (json!("1000"), "1k"),
            (json!("1500k"), "1500k"),
            (json!("1000000k"), "1G"),
            (json!("128Mi"), "128Mi"),
            (json!("1024Mi"), "1Gi"),
            (json!("1.5Gi"), "1536Mi"),
            (json!("0.5Ki"), "512"),
            (json!("1023Ki"), "1023Ki"),
            (json!("1025Ki"), "1025Ki"),
            (json!("1.3Ki"), "1331200m"),
            (json!("0Gi"), "0"),
            (json!("0"), "0"),
            (json!("0.000"), "0"),
            // Thousandths are the least, and what is less is rounded up.
            (json!("1500u"), "2m"),
            (json!("1n"), "1m"),
            (json!("1e-90"), "1e-3"),
            (json!("1e3"), "1e3"),
            (json!("12E2"), "1200"),
            (json!("1E"), "1E"),
            (json!("100e-3"), "100e-3"),
            (json!("5e0"), "5"),
            (json!(1), "1"),
            (json!(0.5), "500m"),
            (json!(1e3), "1k"),
            (json!(134_217_728), "134217728"),
            (json!("134217728000"), "134217728k"),
        ] {
            let quantity = Quantity::of_value(&given).unwrap();
            assert_eq!(quantity.to_string(), written, "{given}");
            assert_eq!(quantity.to_string().parse(), Ok(quantity_of(written)));
        }
    }

    fn quantity_of(written: &str) -> Quantity {
        written.parse().unwrap()
    }

    #[test]
    fn what_is_none_is_refused() {
        for given in [
            json!("much"),
            json!(""),
            json!("."),
            json!("Mi"),
            json!("1 Gi"),
            json!("1gb"),
            json!("1GB"),
            json!("1.2.3"),
            json!("-1"),
            json!(-1),
            json!("1e"),
            json!("1K"),
            json!(true),
            json!([]),
        ] {
            let error = Quantity::of_value(&given).unwrap_err();
            assert!(error.contains("is no quantity"), "{given}: {error}");
        }
        for given in ["8Ei", "10E", "1e30", "1e90"] {
            let error = given.parse::<Quantity>().unwrap_err();
            assert!(error.contains("is more than"), "{given}: {error}");
        }
    }
}
