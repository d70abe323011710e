//! A provider that floods the host: it calls one of the host's functions again and again, with the largest arguments
//! that are of use.

mod cli;
mod clocks;
mod filesystem;
mod hold;
mod http;
mod keyvalue;
mod random;
mod sandglass;
mod sockets;
mod streams;

use std::hint::black_box;

use guest_support::{
    ANY_ARGUMENTS, CallRequest, NO_ARGUMENTS, Outcome, Tool, Value, arguments, failed, tool,
    unknown_tool, value,
};

/// The bindings of what WASI 0.2 itself and world `provider` do not have.
mod bindings {
    wit_bindgen::generate!({
        inline: "
            package test:flood;
            world imports {
                import wasi:config/store@0.2.0-rc.1;
                import wasi:keyvalue/store@0.2.0-draft;
                import wasi:keyvalue/atomics@0.2.0-draft;
                import wasi:keyvalue/batch@0.2.0-draft;
                import sandglass:tool/resource-updates@0.1.0;
                import sandglass:tool/source@0.1.0;
            }
        ",
        path: "../../../wit",
        world: "test:flood/imports",
        generate_all,
    });
}

/// A function's name as WIT has it, `INTERFACE#FUNCTION`, and what makes it ready to be called. There may be words after
/// the name that tell two ways of calling one function apart.
type Function = (&'static str, fn(usize) -> Option<Round>);

/// One round of the loop.
type Round = Box<dyn FnMut()>;

/// Bytes of an argument, where the call does not say.
const SIZE: usize = 1 << 20;

/// Who wants a flood while the tools are listed writes the beginning of functions' names over this, in the component's
/// bytes, and ends it with a zero.
static LISTING: [u8; 64] = *b"- floods while listing: nothing is called, nothing is called - .";

/// A round is one call of this, made with arguments of so many bytes beforehand. None where it needs a grant that is
/// not there.
fn each<T>(mut call: impl FnMut() -> T + 'static) -> Option<Round> {
    Some(Box::new(move || {
        black_box(call());
    }))
}

/// So many bytes of text.
fn text(size: usize) -> String {
    "x".repeat(size)
}

fn functions() -> impl Iterator<Item = &'static Function> {
    [
        cli::FUNCTIONS,
        clocks::FUNCTIONS,
        filesystem::FUNCTIONS,
        http::FUNCTIONS,
        keyvalue::FUNCTIONS,
        random::FUNCTIONS,
        sandglass::FUNCTIONS,
        sockets::FUNCTIONS,
        streams::FUNCTIONS,
    ]
    .into_iter()
    .flatten()
}

fn list() -> Vec<Tool> {
    let listing = black_box(&LISTING);
    if !listing.starts_with(b"-") {
        let end = listing.iter().position(|byte| *byte == 0);
        let chosen = &listing[..end.unwrap_or(listing.len())];
        let mut rounds: Vec<Round> = functions()
            .filter(|(name, _)| name.as_bytes().starts_with(chosen))
            .filter_map(|(_, prepare)| prepare(SIZE))
            .collect();
        while !rounds.is_empty() {
            rounds.iter_mut().for_each(|round| round());
        }
    }
    vec![
        tool("flood", ANY_ARGUMENTS),
        tool("functions", NO_ARGUMENTS),
        tool("hold", ANY_ARGUMENTS),
    ]
}

fn call(request: CallRequest) -> Outcome {
    match request.name.as_str() {
        "flood" => flood(&arguments(&request)),
        "functions" => value(functions().map(|(name, _)| Value::from(*name)).collect()),
        "hold" => hold(&arguments(&request)),
        _ => unknown_tool(&request),
    }
}

/// `{function, size, rounds}`: calls it so many times, or without end.
fn flood(arguments: &Value) -> Outcome {
    let name = arguments["function"].as_str().unwrap_or_default();
    let Some((_, prepare)) = functions().find(|(known, _)| *known == name) else {
        return failed(format!("no function {name:?} is known"));
    };
    let Some(mut round) = prepare(size(arguments)) else {
        return failed(format!("{name} needs a grant"));
    };
    for _ in 0..arguments["rounds"].as_u64().unwrap_or(u64::MAX) {
        round();
    }
    // What it holds may depend on one another, and goes with the instance.
    std::mem::forget(round);
    value("flooded".into())
}

/// `{kind, size}`: holds as many of a kind as there can be, until time ends it.
fn hold(arguments: &Value) -> Outcome {
    match hold::hold(
        arguments["kind"].as_str().unwrap_or_default(),
        size(arguments),
    ) {
        Ok(()) => value("held".into()),
        Err(problem) => failed(problem),
    }
}

fn size(arguments: &Value) -> usize {
    let size = arguments["size"].as_u64();
    size.map_or(SIZE, |size| size as usize)
}

guest_support::provider!(list: Ok(list()), call: call);
