//! A provider that imports an interface which no host offers.

wit_bindgen::generate!({
    inline: r#"
        package test:unknown;

        interface teleporter {
            beam: func(to: string) -> string;
        }

        world stranger {
            import teleporter;
            include sandglass:tool/provider@0.1.0;
        }
    "#,
    path: "../../../wit",
    world: "test:unknown/stranger",
    generate_all,
});

use exports::sandglass::tool::tools::{CallRequest, Guest, Outcome, Success, Tool};

struct Component;

impl Guest for Component {
    fn list_tools() -> Result<Vec<Tool>, String> {
        Ok(Vec::new())
    }

    fn call_tool(request: CallRequest) -> Outcome {
        let there = test::unknown::teleporter::beam(&request.name);
        Outcome::Done(Success {
            content: None,
            value: Some(there),
            is_error: false,
            meta: None,
        })
    }
}

export!(Component);
