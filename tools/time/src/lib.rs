//! The time in any zone, as `mcp-server-time` (PyPI) tells it: same tools,
//! same results, same errors. The history of all zones is inside the component.

mod clock;
mod convert;
mod daylight;
mod zone;

use sandglass_sdk::{Output, export, schemars::JsonSchema, serde::Serialize, serde_json, tool};

use crate::{
    clock::{Clock, TimeResult},
    convert::TimeConversionResult,
};

/// Get current time in a specific timezone
#[tool(read_only, destructive = false, idempotent, open_world = false)]
fn get_current_time(
    /// IANA timezone name (e.g., 'America/New_York', 'Europe/London').
    timezone: String,
) -> Result<Output<TimeResult>, String> {
    Clock::now().time_in(&timezone).map(pretty)
}

/// Convert time between timezones
#[tool(read_only, destructive = false, idempotent, open_world = false)]
fn convert_time(
    /// Source IANA timezone name (e.g., 'America/New_York', 'Europe/London').
    source_timezone: String,
    /// Time to convert in 24-hour format (HH:MM)
    time: String,
    /// Target IANA timezone name (e.g., 'Asia/Tokyo', 'America/Los_Angeles').
    target_timezone: String,
) -> Result<Output<TimeConversionResult>, String> {
    Clock::now()
        .convert(&source_timezone, &time, &target_timezone)
        .map(pretty)
}

/// The value, and as text the same as JSON with an indentation of two.
fn pretty<T: Serialize + JsonSchema>(value: T) -> Output<T> {
    let text = serde_json::to_string_pretty(&value).expect("text and booleans are always JSON");
    Output::new(value).with_text(text)
}

export!(get_current_time, convert_time);

#[cfg(test)]
mod tests {
    use sandglass_sdk::{
        CallError, Content, ToolAnnotations,
        serde_json::{Value, json},
        testing,
    };

    use super::TOOLS;

    #[test]
    fn the_text_is_the_value_with_keys_in_order_and_an_indentation_of_two() {
        let reply = testing::call(TOOLS, "get_current_time", json!({"timezone": "UTC"})).unwrap();
        let value = reply.value.unwrap();
        let (datetime, day) = (
            value["datetime"].as_str().unwrap(),
            value["day_of_week"].as_str().unwrap(),
        );
        assert_eq!(
            reply.content,
            Some(vec![Content::text(format!(
                "{{\n  \"timezone\": \"UTC\",\n  \"datetime\": \"{datetime}\",\n  \
                 \"day_of_week\": \"{day}\",\n  \"is_dst\": false\n}}"
            ))])
        );
    }

    #[test]
    fn a_conversion_reads_the_clock() {
        let arguments = json!({"source_timezone": "Asia/Tokyo", "time": "9:5", "target_timezone": "Asia/Kathmandu"});
        let value = testing::call(TOOLS, "convert_time", arguments)
            .unwrap()
            .value
            .unwrap();
        assert_eq!(value["time_difference"], "-3.25h");
        assert!(
            value["source"]["datetime"]
                .as_str()
                .unwrap()
                .ends_with("T09:05:00+09:00")
        );
    }

    #[test]
    fn an_unknown_zone_fails_the_call() {
        assert_eq!(
            testing::call(TOOLS, "get_current_time", json!({"timezone": "Mars/Base"})),
            Err(CallError::Failed(
                "Invalid timezone: 'No time zone found with key Mars/Base'".to_owned()
            ))
        );
    }

    #[test]
    fn both_tools_are_described_with_schemas_and_hints() {
        let tools = testing::list(TOOLS);
        let json = |schema: &str| schema.parse::<Value>().unwrap();
        let result = json!({
            "description": "A time in a zone.",
            "type": "object",
            "properties": {
                "timezone": {"type": "string"},
                "datetime": {"type": "string"},
                "day_of_week": {"type": "string"},
                "is_dst": {"type": "boolean"},
            },
            "required": ["timezone", "datetime", "day_of_week", "is_dst"],
        });
        assert_eq!(json(tools[0].output_schema.as_deref().unwrap()), result);
        assert_eq!(
            json(tools[1].output_schema.as_deref().unwrap()),
            json!({
                "description": "The same moment in two zones.",
                "type": "object",
                "properties": {
                    "source": {"$ref": "#/$defs/TimeResult"},
                    "target": {"$ref": "#/$defs/TimeResult"},
                    "time_difference": {"type": "string"},
                },
                "required": ["source", "target", "time_difference"],
                "$defs": {"TimeResult": result},
            })
        );
        let input = json(&tools[1].input_schema);
        assert_eq!(
            input["properties"]["time"]["description"],
            "Time to convert in 24-hour format (HH:MM)"
        );
        assert_eq!(
            input["required"],
            json!(["source_timezone", "time", "target_timezone"])
        );
        for tool in tools {
            assert_eq!(
                tool.annotations,
                Some(ToolAnnotations {
                    title: None,
                    read_only_hint: Some(true),
                    destructive_hint: Some(false),
                    idempotent_hint: Some(true),
                    open_world_hint: Some(false),
                })
            );
        }
    }
}
