//! The contract's side: what the component exports.

use std::cell::OnceCell;

use self::bindings::exports::sandglass::tool::tools::{
    CallError, CallRequest, Guest, Outcome, Success, Tool as Description,
};
use self::bindings::sandglass::tool::source as bound;
use crate::clocks;
use crate::engine::{Engine, Thrown};
use crate::host::{self, Level};
use crate::program::{self, Program};
use crate::source::{Exports, Source};
use crate::tool::Tool;

/// What wit-bindgen makes of `/wit`.
pub mod bindings {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "interpreter",
    });
}

struct Interpreter;

bindings::export!(Interpreter with_types_in bindings);

/// A component has one thread.
struct OneThread<T>(T);

// SAFETY: there is no other thread to share it with.
unsafe impl<T> Sync for OneThread<T> {}

static ENGINE: OneThread<OnceCell<Engine>> = OneThread(OnceCell::new());

/// The engine of the snapshot.
fn engine() -> &'static Engine {
    clocks::run();
    ENGINE.0.get_or_init(Engine::new)
}

/// Makes the engine when the component is built: Wizer calls this, and takes the snapshot after it.
#[unsafe(export_name = "wizer-initialize")]
extern "C" fn initialize() {
    ENGINE.0.get_or_init(Engine::new);
}

impl Guest for Interpreter {
    fn list_tools() -> Result<Vec<Description>, String> {
        let script = bound::bound().ok_or(
            "this is an interpreter: bind source text to it, as `javascript:` in a manifest does",
        )?;
        let source = Source {
            name: &script.name,
            text: &script.text,
        };
        let Exports { tools, refused } = source.exports()?;
        if !refused.is_empty() && (!script.partial || tools.is_empty()) {
            return Err(refused
                .iter()
                .map(|refused| format!("`{}`: {}", refused.function, refused.reason(source)))
                .collect::<Vec<_>>()
                .join("; "));
        }
        let program = Program::compile(engine(), source, &tools)
            .map_err(|thrown| thrown.at_load(source.name))?;
        for refused in &refused {
            bound::leave_out(&refused.function, &refused.reason(source));
        }
        bound::keep(&program.to_bytes());
        Ok(tools.iter().map(describe).collect())
    }

    fn call_tool(request: CallRequest) -> Outcome {
        let Some(program) = bound::kept().as_deref().and_then(Program::from_bytes) else {
            return Outcome::Failed(CallError::Failed("the source text was not read".to_owned()));
        };
        match program.call(engine(), &request.name, &request.arguments) {
            Ok(value) => Outcome::Done(Success {
                content: None,
                value,
                is_error: false,
                meta: None,
            }),
            Err(program::CallError::UnknownTool) => {
                Outcome::Failed(CallError::UnknownTool(request.name))
            }
            // The host knows which limit it was, and says so of a call that traps.
            Err(program::CallError::Thrown(thrown)) if thrown.is_out_of_memory() => {
                std::process::abort()
            }
            Err(program::CallError::Thrown(Thrown { message, stack })) => {
                if let Some(stack) = stack {
                    host::log(Level::Debug, &format!("{message}\n{}", stack.trim_end()));
                }
                Outcome::Failed(CallError::Failed(message))
            }
        }
    }
}

fn describe(tool: &Tool) -> Description {
    Description {
        name: tool.name.clone(),
        title: None,
        description: tool.description.clone(),
        input_schema: tool.input_schema().to_string(),
        output_schema: tool.output_schema().map(|schema| schema.to_string()),
        annotations: None,
        task_support: None,
        icons: Vec::new(),
        meta: None,
    }
}
