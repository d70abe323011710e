//! Environment and configuration.

use guest_support::{Value, json};
use wasip2::cli::environment;

use crate::store::bindings::wasi::config::store;
use crate::{Answer, told};

/// `{}`: variables, arguments and working folder.
pub fn environment(_: &Value) -> Answer {
    Ok(json!({
        "variables": environment::get_environment().into_iter().collect::<std::collections::BTreeMap<_, _>>(),
        "arguments": environment::get_arguments(),
        "folder": environment::initial_cwd(),
    }))
}

/// `{key}`: one value or null; `{}`: all values.
pub fn config(arguments: &Value) -> Answer {
    match arguments["key"].as_str() {
        Some(key) => store::get(key).map(Value::from).map_err(told),
        None => {
            let all = store::get_all().map_err(told)?;
            Ok(json!(
                all.into_iter()
                    .collect::<std::collections::BTreeMap<_, _>>()
            ))
        }
    }
}
