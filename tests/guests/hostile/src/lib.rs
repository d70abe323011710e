//! A provider that tries to break each promise of the sandbox: one tool per promise.

mod consume;
mod pry;

use std::sync::Mutex;

use guest_support::{
    ANY_ARGUMENTS, CallRequest, NO_ARGUMENTS, Outcome, Tool, Value, arguments, blocks, host, json,
    raw_value, text, tool, tool_with_output, types, unknown_tool, value,
};

/// What an earlier call left behind in memory. Instances are made for one call, so it is always empty.
static REMEMBERED: Mutex<Option<String>> = Mutex::new(None);

fn list() -> Vec<Tool> {
    let mut tools = vec![tool_with_output(
        "non_matching_output",
        NO_ARGUMENTS,
        r#"{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"]}"#,
    )];
    tools.extend(
        [
            "allocate_forever",
            "ask",
            "big_content",
            "big_output",
            "deep_json",
            "dns_lookup",
            "flood_log",
            "flood_progress",
            "flood_stdout",
            "invalid_json_value",
            "log_raw",
            "open_socket",
            "panic_message",
            "print",
            "read_args",
            "read_env",
            "read_files",
            "recurse",
            "remember",
            "sleep_forever",
            "spin_fill",
            "spin_forever",
            "spin_hostcall",
            "trap_unreachable",
        ]
        .map(|name| tool(name, ANY_ARGUMENTS)),
    );
    tools
}

fn call(request: CallRequest) -> Outcome {
    let given = arguments(&request);
    let number = |key: &str, default: usize| given[key].as_u64().map_or(default, |n| n as usize);
    match request.name.as_str() {
        "allocate_forever" => consume::allocate_forever(),
        "ask" => value(pry::ask().into()),
        "big_content" => blocks(
            (0..number("blocks", 100_000))
                .map(|n| text(n.to_string()))
                .collect(),
        ),
        "big_output" => raw_value(format!("\"{}\"", "x".repeat(number("bytes", 100_000_000)))),
        "deep_json" => {
            let depth = number("depth", 100_000);
            raw_value("[".repeat(depth) + &"]".repeat(depth))
        }
        "dns_lookup" => value(pry::dns_lookup()),
        "flood_log" => consume::flood_log(number("lines", usize::MAX)),
        "flood_progress" => consume::flood_progress(),
        "flood_stdout" => consume::flood_stdout(number("lines", usize::MAX)),
        "invalid_json_value" => raw_value("{ this is no JSON".into()),
        "log_raw" => {
            let data = given["data"].as_str().unwrap_or_default();
            host::log(types::LogLevel::Info, data, given["logger"].as_str());
            value("logged".into())
        }
        "non_matching_output" => value(json!({ "n": "not a number" })),
        "open_socket" => value(pry::open_socket(
            given["address"].as_str().unwrap_or("127.0.0.1:80"),
        )),
        "panic_message" => panic!("boom: the reason"),
        "print" => {
            println!("{}", given["line"].as_str().unwrap_or("a line on stdout"));
            eprintln!("{}", given["line"].as_str().unwrap_or("a line on stderr"));
            value("printed".into())
        }
        "read_args" => value(std::env::args().collect()),
        "read_env" => value(
            std::env::vars()
                .map(|(key, held)| Value::from(format!("{key}={held}")))
                .collect(),
        ),
        "read_files" => value(pry::read_files()),
        "recurse" => value(consume::recurse(0).into()),
        "remember" => {
            let secret = given["secret"].as_str().map(str::to_owned);
            let before = REMEMBERED
                .lock()
                .map(|mut held| std::mem::replace(&mut *held, secret))
                .unwrap_or_default();
            value(before.into())
        }
        "sleep_forever" => consume::sleep_forever(),
        "spin_fill" => consume::spin_fill(),
        "spin_forever" => consume::spin(number("rounds", usize::MAX)),
        "spin_hostcall" => consume::spin_hostcall(),
        "trap_unreachable" => core::arch::wasm32::unreachable(),
        _ => unknown_tool(&request),
    }
}

/// A line for the host's log, with where it came from.
fn log(line: &str) {
    host::log(
        types::LogLevel::Info,
        &Value::from(line).to_string(),
        Some("hostile"),
    );
}

guest_support::provider!(list: Ok(list()), call: call);
