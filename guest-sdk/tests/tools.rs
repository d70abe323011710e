//! What a host sees of functions with `#[tool]`.
#![allow(clippy::unwrap_used, reason = "tests")]

mod results {
    //! Each kind of result.

    use std::num::ParseIntError;

    use sandglass_sdk::{
        CallError, Content, Output, ResourceContents, ResourceLink, export,
        schemars::{self, JsonSchema},
        serde::Serialize,
        serde_json::{Value, json},
        testing::{self, Reply},
        tool,
    };

    #[derive(Serialize, JsonSchema)]
    #[serde(crate = "sandglass_sdk::serde")]
    struct Point {
        /// To the right.
        x: i32,
        label: Option<String>,
    }

    /// Not `Serialize`.
    type Fallible<T> = Result<T, ParseIntError>;

    #[tool]
    fn number() -> f64 {
        1.5
    }

    #[tool]
    fn text() -> &'static str {
        "a \"b\""
    }

    #[tool]
    fn nothing() {}

    #[tool]
    fn point() -> Point {
        Point { x: 1, label: None }
    }

    #[tool]
    fn list() -> Vec<Point> {
        vec![]
    }

    #[tool]
    fn block() -> Content {
        Content::image([1, 2], "image/png")
    }

    #[tool]
    fn blocks() -> Vec<Content> {
        vec![
            Content::text("t"),
            Content::audio([], "audio/wav"),
            Content::resource(ResourceContents::text("a:b", "c").with_mime_type("text/plain")),
            Content::link(ResourceLink::new("a:b", "b")),
        ]
    }

    #[tool]
    fn both() -> Output<Point> {
        Output::new(Point { x: 2, label: None }).with_text("two")
    }

    #[tool]
    fn wrong() -> Output<sandglass_sdk::NoValue> {
        Output::content([Content::text("no such thing")]).as_error()
    }

    #[tool]
    fn parsed(text: String) -> Fallible<i32> {
        let number: i32 = text.parse()?;
        Ok(number)
    }

    #[tool]
    fn checked(ok: bool) -> Result<(), String> {
        if ok { Ok(()) } else { Err("not ok".to_owned()) }
    }

    #[tool]
    fn said(ok: bool) -> Result<Vec<Content>, String> {
        if ok {
            Ok(vec![Content::text("ok")])
        } else {
            Err("not ok".to_owned())
        }
    }

    export!(
        number, text, nothing, point, list, block, blocks, both, wrong, parsed, checked, said
    );

    fn value(value: Value) -> Reply {
        Reply {
            value: Some(value),
            content: None,
            is_error: false,
        }
    }

    fn content(content: Vec<Content>) -> Reply {
        Reply {
            value: None,
            content: Some(content),
            is_error: false,
        }
    }

    const NOTHING: Reply = Reply {
        value: None,
        content: None,
        is_error: false,
    };

    fn call(name: &str, arguments: Value) -> Reply {
        testing::call(TOOLS, name, arguments).unwrap()
    }

    fn output_schema(name: &str) -> Option<Value> {
        let tool = testing::list(TOOLS)
            .into_iter()
            .find(|tool| tool.name == name)
            .unwrap();
        tool.output_schema.map(|schema| schema.parse().unwrap())
    }

    #[test]
    fn a_plain_value_is_the_value_and_has_a_schema() {
        assert_eq!(call("number", json!({})), value(json!(1.5)));
        assert_eq!(
            output_schema("number"),
            Some(json!({"type": "number", "format": "double"}))
        );
        assert_eq!(call("text", json!({})), value(json!("a \"b\"")));
        assert_eq!(output_schema("text"), Some(json!({"type": "string"})));
        assert_eq!(
            call("point", json!({})),
            value(json!({"x": 1, "label": null}))
        );
        assert_eq!(
            output_schema("point"),
            Some(json!({
                "type": "object",
                "properties": {
                    "x": {"type": "integer", "format": "int32", "description": "To the right."},
                    "label": {"type": ["string", "null"]},
                },
                "required": ["x", "label"],
            }))
        );
        assert_eq!(call("list", json!({})), value(json!([])));
    }

    #[test]
    fn nothing_is_neither_value_nor_content() {
        assert_eq!(call("nothing", json!({})), NOTHING);
        assert_eq!(output_schema("nothing"), None);
    }

    #[test]
    fn blocks_are_content_without_a_value() {
        assert_eq!(call("block", json!({})), content(vec![block()]));
        assert_eq!(call("blocks", json!({})), content(blocks()));
        assert_eq!(output_schema("block"), None);
        assert_eq!(output_schema("blocks"), None);
    }

    #[test]
    fn an_output_has_value_and_content() {
        let reply = call("both", json!({}));
        assert_eq!(reply.value, Some(json!({"x": 2, "label": null})));
        assert_eq!(reply.content, Some(vec![Content::text("two")]));
        assert_eq!(output_schema("both"), output_schema("point"));
    }

    #[test]
    fn an_output_can_say_that_it_is_an_error() {
        let reply = call("wrong", json!({}));
        assert_eq!(
            reply,
            Reply {
                is_error: true,
                ..content(vec![Content::text("no such thing")])
            }
        );
        assert_eq!(output_schema("wrong"), None);
    }

    #[test]
    fn the_success_of_a_result_is_as_without_the_result() {
        assert_eq!(call("parsed", json!({"text": "7"})), value(json!(7)));
        assert_eq!(
            output_schema("parsed"),
            Some(json!({"type": "integer", "format": "int32"}))
        );
        assert_eq!(call("checked", json!({"ok": true})), NOTHING);
        assert_eq!(output_schema("checked"), None);
        assert_eq!(
            call("said", json!({"ok": true})),
            content(vec![Content::text("ok")])
        );
        assert_eq!(output_schema("said"), None);
    }

    #[test]
    fn an_error_fails_the_call_with_its_message() {
        let failed = |name, arguments| match testing::call(TOOLS, name, arguments) {
            Err(CallError::Failed(message)) => message,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            failed("parsed", json!({"text": "x"})),
            "invalid digit found in string"
        );
        assert_eq!(failed("checked", json!({"ok": false})), "not ok");
        assert_eq!(failed("said", json!({"ok": false})), "not ok");
    }

    #[test]
    fn an_unknown_tool_is_named() {
        assert_eq!(
            testing::call(TOOLS, "nope", json!({})),
            Err(CallError::UnknownTool("nope".to_owned()))
        );
    }
}

mod arguments {
    //! Arguments, names and hints.

    use sandglass_sdk::{
        AskError, CallError, Elicited, ToolAnnotations, ToolDescription, cancelled, elicit, export,
        log, progress,
        schemars::{self, JsonSchema},
        serde::Deserialize,
        serde_json::{Value, json},
        testing, tool,
    };

    #[derive(Deserialize, JsonSchema)]
    #[serde(crate = "sandglass_sdk::serde", rename_all = "lowercase")]
    enum Unit {
        Metre,
        Foot,
    }

    fn one() -> u8 {
        1
    }

    /// Measures.
    ///
    /// In any unit.
    #[tool(name = "measure.it", title = "Measure", read_only, destructive = false)]
    fn measure(
        /// What to measure.
        what: String,
        unit: Option<Unit>,
        #[serde(default = "one")]
        #[schemars(range(min = 1, max = 9))]
        mut times: u8,
        r#type: Vec<f64>,
    ) -> String {
        times += 1;
        let unit = match unit {
            None => "none",
            Some(Unit::Metre) => "m",
            Some(Unit::Foot) => "ft",
        };
        format!("{what} {unit} {times} {:?}", r#type)
    }

    #[tool]
    pub(crate) fn r#loop() -> Result<u32, AskError> {
        log::info("start");
        progress(1.0, Some(2.0), None);
        assert!(!cancelled());
        match elicit::<Form>("key", "Sure?")? {
            Elicited::Accepted(form) => Ok(form.count),
            Elicited::Declined | Elicited::Cancelled => Ok(0),
        }
    }

    #[derive(Deserialize, JsonSchema)]
    #[serde(crate = "sandglass_sdk::serde")]
    struct Form {
        count: u32,
    }

    mod inner {
        /// In a module of its own.
        #[sandglass_sdk::tool]
        pub fn inner() {}
    }

    export!(measure, r#loop, inner::inner);

    fn description(name: &str) -> ToolDescription {
        testing::list(TOOLS)
            .into_iter()
            .find(|tool| tool.name == name)
            .unwrap()
    }

    fn json(schema: &str) -> Value {
        schema.parse().unwrap()
    }

    #[test]
    fn the_function_describes_the_tool() {
        let tool = description("measure.it");
        assert_eq!(tool.title.as_deref(), Some("Measure"));
        assert_eq!(
            tool.description.as_deref(),
            Some("Measures.\n\nIn any unit.")
        );
        assert_eq!(
            tool.annotations,
            Some(ToolAnnotations {
                title: None,
                read_only_hint: Some(true),
                destructive_hint: Some(false),
                idempotent_hint: None,
                open_world_hint: None,
            })
        );
        assert_eq!(
            json(&tool.input_schema),
            json!({
                "type": "object",
                "properties": {
                    "what": {"type": "string", "description": "What to measure."},
                    "unit": {"anyOf": [{"$ref": "#/$defs/Unit"}, {"type": "null"}]},
                    "times": {
                        "type": "integer", "format": "uint8", "minimum": 1, "maximum": 9, "default": 1,
                    },
                    "type": {"type": "array", "items": {"type": "number", "format": "double"}},
                },
                "required": ["what", "type"],
                "additionalProperties": false,
                "$defs": {"Unit": {"type": "string", "enum": ["metre", "foot"]}},
            })
        );
    }

    #[test]
    fn the_schema_keeps_the_order_of_the_arguments() {
        let schema = json(&description("measure.it").input_schema);
        let names: Vec<_> = schema["properties"].as_object().unwrap().keys().collect();
        assert_eq!(names, ["what", "unit", "times", "type"]);
    }

    #[test]
    fn a_tool_without_anything_has_an_empty_description_and_an_empty_object() {
        let tool = description("loop");
        assert_eq!(tool.description.as_deref(), Some(""));
        assert_eq!((tool.title, tool.annotations), (None, None));
        assert_eq!(
            json(&tool.input_schema),
            json!({"type": "object", "properties": {}, "additionalProperties": false})
        );
        assert_eq!(
            description("inner").description.as_deref(),
            Some("In a module of its own.")
        );
    }

    #[test]
    fn arguments_may_be_left_out_or_null_where_the_type_says_so() {
        let value = |arguments| {
            testing::call(TOOLS, "measure.it", arguments)
                .unwrap()
                .value
                .unwrap()
        };
        assert_eq!(value(json!({"what": "a", "type": []})), "a none 2 []");
        assert_eq!(
            value(json!({"what": "a", "type": [1], "unit": null})),
            "a none 2 [1.0]"
        );
        assert_eq!(
            value(json!({"type": [], "times": 3, "unit": "foot", "what": "ä\n"})),
            "ä\n ft 4 []"
        );
    }

    #[test]
    fn wrong_arguments_are_named() {
        let error = |arguments| match testing::call(TOOLS, "measure.it", arguments) {
            Err(CallError::InvalidArguments(message)) => message,
            other => panic!("{other:?}"),
        };
        assert_eq!(error(json!({"what": "a"})), "missing field `type`");
        assert_eq!(
            error(json!({"what": "a", "type": ["x"]})),
            "`type[0]`: invalid type: string \"x\", expected f64"
        );
        assert_eq!(
            error(json!({"what": "a", "type": [], "unit": "mile"})),
            "`unit`: unknown variant `mile`, expected `metre` or `foot`"
        );
        assert_eq!(
            error(json!({"what": "a", "type": [], "extra": 1})),
            "`extra`: unknown field `extra`, expected one of `what`, `unit`, `times`, `type`"
        );
        assert_eq!(
            error(json!([])),
            "invalid length 0, expected struct __Arguments with 4 elements"
        );
    }

    #[test]
    fn without_a_host_questions_are_unsupported() {
        assert_eq!(
            testing::call(TOOLS, "loop", json!({})),
            Err(CallError::Failed(
                "there is no host outside a component".to_owned()
            ))
        );
    }
}
