//! Arithmetic on whole numbers, as the calculator in KAOS' guide does it in
//! Python; only that numbers have 64 bits, and that what does not fit is an error.

mod quotient;

use sandglass_sdk::{export, tool};

/// Add two numbers together.
#[tool(read_only, destructive = false, idempotent, open_world = false)]
fn add(
    /// The first number.
    a: i64,
    /// The second number.
    b: i64,
) -> Result<i64, String> {
    a.checked_add(b).ok_or_else(|| overflow(a, '+', b))
}

/// Subtract b from a.
#[tool(read_only, destructive = false, idempotent, open_world = false)]
fn subtract(
    /// The number to subtract from.
    a: i64,
    /// The number to subtract.
    b: i64,
) -> Result<i64, String> {
    a.checked_sub(b).ok_or_else(|| overflow(a, '-', b))
}

/// Multiply two numbers.
#[tool(read_only, destructive = false, idempotent, open_world = false)]
fn multiply(
    /// The first number.
    a: i64,
    /// The second number.
    b: i64,
) -> Result<i64, String> {
    a.checked_mul(b).ok_or_else(|| overflow(a, '*', b))
}

/// Divide a by b.
#[tool(read_only, destructive = false, idempotent, open_world = false)]
fn divide(
    /// The dividend.
    a: i64,
    /// The divisor.
    b: i64,
) -> String {
    match quotient::of(a, b) {
        Some(quotient) => quotient::text(quotient),
        None => "Error: Division by zero".to_owned(),
    }
}

fn overflow(a: i64, operator: char, b: i64) -> String {
    format!("Overflow: the result of {a} {operator} {b} does not fit into 64 bits")
}

export!(add, subtract, multiply, divide);

#[cfg(test)]
mod tests {
    use sandglass_sdk::{
        CallError,
        serde_json::{Value, json},
        testing,
    };

    use super::TOOLS;

    fn call(tool: &str, a: i64, b: i64) -> Result<Value, String> {
        match testing::call(TOOLS, tool, json!({"a": a, "b": b})) {
            Ok(reply) => Ok(reply.value.expect("all tools give a value")),
            Err(CallError::Failed(message)) => Err(message),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn whole_numbers_are_calculated() {
        assert_eq!(call("add", 2, 3), Ok(json!(5)));
        assert_eq!(call("subtract", 2, 3), Ok(json!(-1)));
        assert_eq!(call("multiply", -4, 3), Ok(json!(-12)));
        assert_eq!(
            call("add", i64::MAX, 0),
            Ok(json!(9_223_372_036_854_775_807_i64))
        );
    }

    #[test]
    fn division_answers_with_text_as_python_writes_it() {
        assert_eq!(call("divide", 10, 4), Ok(json!("2.5")));
        assert_eq!(call("divide", 10, 2), Ok(json!("5.0")));
        assert_eq!(call("divide", 10, 0), Ok(json!("Error: Division by zero")));
    }

    #[test]
    fn what_does_not_fit_is_an_error_and_never_wraps() {
        let error = |sum: &str| {
            Err(format!(
                "Overflow: the result of {sum} does not fit into 64 bits"
            ))
        };
        assert_eq!(call("add", i64::MAX, 1), error("9223372036854775807 + 1"));
        assert_eq!(
            call("subtract", i64::MIN, 1),
            error("-9223372036854775808 - 1")
        );
        assert_eq!(
            call("multiply", i64::MIN, -1),
            error("-9223372036854775808 * -1")
        );
    }

    #[test]
    fn a_number_of_more_than_64_bits_is_refused_by_name() {
        assert_eq!(
            testing::call(
                TOOLS,
                "add",
                json!({"a": 1, "b": 9_223_372_036_854_775_808_u64})
            ),
            Err(CallError::InvalidArguments(
                "`b`: invalid value: integer `9223372036854775808`, expected i64".to_owned()
            ))
        );
    }

    #[test]
    fn the_tools_are_described() {
        let tools = testing::list(TOOLS);
        let described: Vec<_> = tools
            .iter()
            .map(|tool| {
                (
                    tool.name.as_str(),
                    tool.description.as_deref(),
                    tool.output_schema.as_deref(),
                )
            })
            .collect();
        let integer = Some(r#"{"type":"integer","format":"int64"}"#);
        assert_eq!(
            described,
            [
                ("add", Some("Add two numbers together."), integer),
                ("subtract", Some("Subtract b from a."), integer),
                ("multiply", Some("Multiply two numbers."), integer),
                (
                    "divide",
                    Some("Divide a by b."),
                    Some(r#"{"type":"string"}"#)
                ),
            ]
        );
    }
}
