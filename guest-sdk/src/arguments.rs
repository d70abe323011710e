//! From the JSON of a call to the function's arguments.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::contract::CallError;

/// What an argument of a tool can be: any type that can be read from JSON and
/// has a schema. It is there for its error message only.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be an argument of a tool",
    label = "this can't be read from JSON or has no schema",
    note = "a type of your own needs `#[derive(serde::Deserialize, schemars::JsonSchema)]`"
)]
pub trait Argument {}

#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned + JsonSchema> Argument for T {}

/// Compiles only if `T` can be an argument.
pub fn check_argument<T: Argument>() {}

/// Reads all arguments at once into the struct that `#[tool]` made for them.
///
/// # Errors
/// `invalid-arguments`, with the name of the argument that is wrong.
pub fn read<T: DeserializeOwned>(arguments: &str) -> Result<T, CallError> {
    serde_json::from_str(arguments).map_err(|error| explain::<T>(arguments, error))
}

/// Reads a second time, now with a record of where the reader is: good
/// arguments should not pay for the messages about bad ones.
#[cold]
fn explain<T: DeserializeOwned>(arguments: &str, error: serde_json::Error) -> CallError {
    let mut reader = serde_json::Deserializer::from_str(arguments);
    let (path, error) = match serde_path_to_error::deserialize::<_, T>(&mut reader) {
        Err(error) => (error.path().to_string(), error.into_inner()),
        Ok(_) => (String::new(), error),
    };
    let message = error.to_string();
    // The position in a JSON text that the caller never saw helps nobody.
    let position = format!(" at line {} column {}", error.line(), error.column());
    let message = message.strip_suffix(&position).unwrap_or(&message);
    CallError::InvalidArguments(if error.is_data() && !matches!(path.as_str(), "" | ".") {
        format!("`{path}`: {message}")
    } else {
        message.to_owned()
    })
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::read;
    use crate::contract::CallError;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Arguments {
        count: u8,
        points: Vec<Point>,
    }

    #[derive(Debug, Deserialize)]
    struct Point {
        x: i32,
    }

    fn error(json: &str) -> String {
        match read::<Arguments>(json) {
            Err(CallError::InvalidArguments(message)) => message,
            other => panic!("{json} gave {other:?}"),
        }
    }

    #[test]
    fn good_arguments_are_read() {
        let arguments: Arguments = read(r#"{"count": 1, "points": [{"x": -1}]}"#).unwrap();
        assert_eq!((arguments.count, arguments.points[0].x), (1, -1));
    }

    #[test]
    fn an_error_names_the_argument_and_the_place_in_it() {
        assert_eq!(
            error(r#"{"count": "1", "points": []}"#),
            "`count`: invalid type: string \"1\", expected u8"
        );
        assert_eq!(
            error(r#"{"count": 300, "points": []}"#),
            "`count`: invalid value: integer `300`, expected u8"
        );
        assert_eq!(
            error(r#"{"count": 1, "points": [{"x": 1}, {"x": null}]}"#),
            "`points[1].x`: invalid type: null, expected i32"
        );
        assert_eq!(error(r#"{"count": 1}"#), "missing field `points`");
        assert_eq!(
            error(r#"{"count": 1, "points": [], "size": 2}"#),
            "`size`: unknown field `size`, expected `count` or `points`"
        );
    }

    #[test]
    fn what_is_no_object_is_refused() {
        assert_eq!(
            error("7"),
            "invalid type: integer `7`, expected struct Arguments"
        );
        assert_eq!(error("{"), "EOF while parsing an object");
    }
}
