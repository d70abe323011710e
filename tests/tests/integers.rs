//! Integers have 64 bits; one beyond them is refused with words, and never rounded in silence.

use sandglass_tests::mcp::{Way, failure};
use sandglass_tests::{Host, manifest};
use serde_json::{Value, json};

const PYTHON: &str = "
import math

def factorial(n: int) -> int:
    return math.factorial(n)

def factorials(upto: int) -> dict:
    return {'all': [math.factorial(n) for n in range(upto)]}

def same(n: int) -> str:
    return str(n)
";

#[tokio::test]
async fn an_integer_beyond_64_bits_is_refused_by_its_place() {
    let host = Host::start(&manifest(&json!([{ "python": PYTHON, "name": "inline" }]))).await;
    for way in Way::ALL {
        let result = way.call(&host, "factorial", json!({ "n": 20 })).await;
        assert_eq!(
            result["structuredContent"],
            json!({ "result": 2_432_902_008_176_640_000_u64 }),
            "{way:?} {result}"
        );
        let result = way.call(&host, "factorial", json!({ "n": 25 })).await;
        assert!(
            failure(&result).contains("its value is an integer of 26 digits"),
            "{way:?} {result}"
        );
        let result = way.call(&host, "factorials", json!({ "upto": 26 })).await;
        // A float has all digits of 21! but for zeros at the end.
        let error = failure(&result);
        assert!(error.contains("22 digits at `all/22`"), "{way:?} {error}");
        let least: Value = serde_json::from_str("-9223372036854775809").expect("it is a number");
        let result = way.call(&host, "same", json!({ "n": least })).await;
        assert!(
            failure(&result).contains("`n`: the integer is beyond 64 bits"),
            "{way:?} {result}"
        );
        let result = way.call(&host, "same", json!({ "n": i64::MIN })).await;
        assert_eq!(
            result["structuredContent"],
            json!({ "result": "-9223372036854775808" }),
            "{way:?} {result}"
        );
    }
}
