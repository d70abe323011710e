//! A provider that uses every capability as directly as WASI lets it: one tool per host function, with nothing between
//! the caller's arguments and the host.
//!
//! Each tool answers with `{"ok": ..}`, or with `{"error": ".."}` and what the host said.

mod files;
mod http;
mod network;
mod settings;
mod store;

use guest_support::{
    ANY_ARGUMENTS, CallRequest, Outcome, Tool, Value, arguments, json, tool, unknown_tool, value,
};

/// What the host gave, or its error.
type Answer = Result<Value, String>;
/// A tool by its name.
type Named = (&'static str, fn(&Value) -> Answer);

const TOOLS: &[Named] = &[
    ("config", settings::config),
    ("connect", network::connect),
    ("environment", settings::environment),
    ("http", http::request),
    ("http_many", http::many),
    ("http_open", http::open),
    ("http_upload", http::upload),
    ("kv", store::operate),
    ("kv_fill", store::fill),
    ("link", files::link),
    ("list_folder", files::list_folder),
    ("listen", network::listen),
    ("make_folder", files::make_folder),
    ("preopens", files::preopens),
    ("read_file", files::read_file),
    ("read_link", files::read_link),
    ("remove_file", files::remove_file),
    ("rename", files::rename),
    ("resolve", network::resolve),
    ("send_datagram", network::send_datagram),
    ("symlink", files::symlink),
    ("touch", files::touch),
    ("write_file", files::write_file),
    ("write_through_reader", files::write_through_reader),
];

fn list() -> Vec<Tool> {
    TOOLS
        .iter()
        .map(|(name, _)| tool(name, ANY_ARGUMENTS))
        .collect()
}

fn call(request: CallRequest) -> Outcome {
    let Some((_, run)) = TOOLS.iter().find(|(name, _)| *name == request.name) else {
        return unknown_tool(&request);
    };
    value(match run(&arguments(&request)) {
        Ok(given) => json!({ "ok": given }),
        Err(error) => json!({ "error": error }),
    })
}

/// An argument that is text; empty where it is left out.
fn text<'a>(arguments: &'a Value, name: &str) -> &'a str {
    arguments[name].as_str().unwrap_or_default()
}

/// An argument that is a number.
fn number(arguments: &Value, name: &str, default: u64) -> u64 {
    arguments[name].as_u64().unwrap_or(default)
}

/// An error of any kind, in the words of its type.
fn told(error: impl std::fmt::Debug) -> String {
    format!("{error:?}")
}

guest_support::provider!(list: Ok(list()), call: call);
