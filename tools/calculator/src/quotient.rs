//! Division of whole numbers, and floating-point numbers as text, as Python
//! has them: `a / b` and `str(..)`.

/// The quotient nearest to the exact one (ties to even), which converting
/// both numbers to `f64` first would miss for numbers above 2^53.
/// None: division by zero.
pub fn of(a: i64, b: i64) -> Option<f64> {
    if b == 0 {
        return None;
    }
    let sign = if (a < 0) == (b < 0) { 1.0 } else { -1.0 };
    Some(sign * magnitude(a.unsigned_abs(), b.unsigned_abs()))
}

fn magnitude(a: u64, b: u64) -> f64 {
    if a == 0 {
        return 0.0;
    }
    // With the dividend's highest bit at the top, the quotient has 64 bits at
    // least. The lowest of them is below anything that an f64 holds, so it can
    // stand for all bits that follow: the one rounding is that of `as`.
    let shift = u128::from(a).leading_zeros();
    let (dividend, divisor) = (u128::from(a) << shift, u128::from(b));
    let inexact = dividend % divisor != 0;
    let quotient = (dividend / divisor) | u128::from(inexact);
    // Powers of two: exact.
    quotient as f64 / (1_u128 << shift) as f64
}

/// The shortest text that reads back as the same number, in the form of
/// Python's `repr`: `5.0`, `1e+16`, `1e-05`.
pub fn text(number: f64) -> String {
    let shortest = format!("{number:e}");
    let (digits, exponent) = shortest
        .split_once('e')
        .expect("the format writes an exponent");
    let exponent: i32 = exponent.parse().expect("the exponent is a number");
    if (-4..16).contains(&exponent) {
        return format!("{number:?}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::{of, text};

    /// Expected values were printed by CPython: `str(a / b)`.
    #[test]
    fn quotients_are_those_of_python() {
        let cases = [
            (10, 4, "2.5"),
            (10, 2, "5.0"),
            (1, 3, "0.3333333333333333"),
            (-7, 2, "-3.5"),
            (0, 5, "0.0"),
            (0, -5, "-0.0"),
            (1, 10_000, "0.0001"),
            (1, 100_000, "1e-05"),
            (-15, 1_000_000, "-1.5e-05"),
            (1_000_000_000_000_000, 1, "1000000000000000.0"),
            (9_999_999_999_999_998, 1, "9999999999999998.0"),
            (10_000_000_000_000_000, 1, "1e+16"),
            (12_345_678_901_234_567, 1, "1.2345678901234568e+16"),
            (i64::MAX, 1, "9.223372036854776e+18"),
            (i64::MIN, -1, "9.223372036854776e+18"),
            (1, i64::MIN, "-1.0842021724855044e-19"),
            (i64::MAX, i64::MAX - 1, "1.0"),
            // Here `a as f64 / b as f64` is another number.
            (4_794_525_486_990_363_959, 108, "4.439375450917004e+16"),
            (1_582_570_895_473_955_216, 879_001, "1800419903360.696"),
            (7_443_286_122_562_431_023, 300, "2.4810953741874772e+16"),
            (
                -5_731_537_040_243_799_519,
                2_096_881_692_570_354,
                "-2733.3621446320567",
            ),
            (3_808_678_610_909_711_418, 527, "7227094138348599.0"),
            (7_278_644_439_158_970_693, 49, "1.485437640644688e+17"),
            (-4_008_545_503_524_748_086, 1_502_880, "-2667242563294.972"),
            (
                4_353_480_138_016_215_838,
                1_526_706_732,
                "2851549709.427898",
            ),
            (-647_578, 135_002_262_235_068_729, "-4.79679369277845e-12"),
            (35_349, 251_576_434_011_120_385, "1.4050998114727023e-13"),
            (611_101, 149_119_118_267_982_746, "4.098072783006852e-12"),
            (548_460, 458_744_792_229_326_724, "1.1955667056942296e-12"),
        ];
        for (a, b, expected) in cases {
            assert_eq!(text(of(a, b).unwrap()), expected, "{a} / {b}");
        }
    }

    #[test]
    fn there_is_no_quotient_by_zero() {
        assert_eq!(of(1, 0), None);
    }
}
