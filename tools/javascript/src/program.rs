//! What `list-tools` keeps of a source text, and what a call makes of it.

use rquickjs::module::{WriteOptions, WriteOptionsEndianness};
use rquickjs::{Ctx, Exception, Function, Module, Object, Value, function::Args};
use serde::{Deserialize, Serialize};

use crate::engine::{Engine, Thrown, caught, evaluate, settle};
use crate::source::Source;
use crate::tool::Tool;

/// A source text that was read: the compiled module, and how its tools are called.
#[derive(Debug)]
pub struct Program {
    tools: Vec<Entry>,
    /// The module as QuickJS writes it.
    code: Vec<u8>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    tool: String,
    export: String,
    parameters: Vec<String>,
}

/// Why there is no result.
#[derive(Debug, PartialEq)]
pub enum CallError {
    /// The program has no tool of that name.
    UnknownTool,
    /// JavaScript threw.
    Thrown(Thrown),
}

impl From<Thrown> for CallError {
    fn from(thrown: Thrown) -> Self {
        Self::Thrown(thrown)
    }
}

impl Program {
    /// Compiles the text and runs its own statements once, so that what they throw shows at load.
    pub fn compile(engine: &Engine, source: Source<'_>, tools: &[Tool]) -> Result<Self, Thrown> {
        let code = engine.with(|ctx| {
            let mut code = Vec::new();
            let module = caught(ctx, || {
                let module = Module::declare(ctx.clone(), source.name, source.text)?;
                code = module.write(WriteOptions {
                    endianness: WriteOptionsEndianness::Native,
                    strip_source: true,
                    ..WriteOptions::default()
                })?;
                Ok(module)
            })?;
            evaluate(ctx, module)?;
            Ok(code)
        })?;
        let tools = tools.iter().map(|tool| Entry {
            tool: tool.name.clone(),
            export: tool.export.clone(),
            parameters: tool.parameter_names(),
        });
        Ok(Self {
            tools: tools.collect(),
            code,
        })
    }

    /// The program as bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let tools = serde_json::to_vec(&self.tools).expect("plain data is JSON");
        let size = u32::try_from(tools.len()).expect("a text has fewer than 4 Gi");
        [&size.to_le_bytes()[..], &tools, &self.code].concat()
    }

    /// Reads what [`Self::to_bytes`] wrote; none where something else did.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (size, rest) = bytes.split_first_chunk()?;
        let (tools, code) = rest.split_at_checked(u32::from_le_bytes(*size) as usize)?;
        Some(Self {
            tools: serde_json::from_slice(tools).ok()?,
            code: code.to_vec(),
        })
    }

    /// Calls a tool with a JSON object; its result as JSON, if it gives one back.
    pub fn call(
        &self,
        engine: &Engine,
        tool: &str,
        arguments: &str,
    ) -> Result<Option<String>, CallError> {
        let entry = self.tools.iter().find(|entry| entry.tool == tool);
        let entry = entry.ok_or(CallError::UnknownTool)?;
        Ok(engine.with(|ctx| {
            // SAFETY: the bytes are those that this engine wrote: the host gives them to no other component.
            let module = caught(ctx, || unsafe { Module::load(ctx.clone(), &self.code) })?;
            let module = evaluate(ctx, module)?;
            let value = settle(ctx, || {
                let function: Function<'_> = module.get(entry.export.as_str())?;
                function.call_arg(positional(ctx, arguments, &entry.parameters)?)
            })?;
            json(ctx, value)
        })?)
    }
}

/// The arguments in the function's order. What is missing is undefined, so that defaults apply.
fn positional<'js>(
    ctx: &Ctx<'js>,
    arguments: &str,
    names: &[String],
) -> rquickjs::Result<Args<'js>> {
    let given = ctx.json_parse(arguments)?;
    let given = given.as_object();
    let mut args = Args::new(ctx.clone(), names.len());
    for name in names {
        let value = given
            .map(|given| given.get::<_, Value<'js>>(name))
            .transpose()?;
        args.push_arg(value)?;
    }
    Ok(args)
}

/// A value as JSON; none for undefined.
fn json<'js>(ctx: &Ctx<'js>, value: Value<'js>) -> Result<Option<String>, Thrown> {
    if value.is_undefined() {
        return Ok(None);
    }
    let kind = value.type_name();
    let write = || -> rquickjs::Result<Option<String>> {
        ctx.json_stringify(value.clone())?
            .map(|json| json.to_string())
            .transpose()
    };
    let written = caught(ctx, || {
        let written = write()?;
        // Few results have it, and only then one may have been a map or a set.
        if written.as_ref().is_some_and(|json| json.contains("{}")) {
            refuse_collections(ctx)?;
            return write();
        }
        Ok(written)
    })
    .map_err(|thrown| Thrown {
        message: format!(
            "the tool's result can't be written as JSON: {}",
            thrown.message
        ),
        ..thrown
    })?;
    match written {
        Some(json) => Ok(Some(json)),
        None => Err(Thrown {
            message: format!("the tool's result can't be written as JSON: it is a {kind}"),
            stack: None,
        }),
    }
}

/// Maps and sets are `{}` to JSON, whatever they hold. The tool has run: nothing of its own sees this.
fn refuse_collections(ctx: &Ctx<'_>) -> rquickjs::Result<()> {
    for (name, mend) in [
        ("Map", "a Map has no JSON, return Object.fromEntries(map)"),
        ("Set", "a Set has no JSON, return [...set]"),
    ] {
        let Ok(class) = ctx.globals().get::<_, Object<'_>>(name) else {
            continue;
        };
        let prototype: Object<'_> = class.get("prototype")?;
        if !prototype.contains_key("toJSON")? {
            let refuse = move |ctx: Ctx<'_>| -> rquickjs::Result<()> {
                Err(Exception::throw_type(&ctx, mend))
            };
            prototype.set("toJSON", Function::new(ctx.clone(), refuse)?)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads the text in one engine and calls its tool `f` in another, as a host does.
    fn call(text: &str, arguments: &str) -> Result<Option<String>, CallError> {
        let source = Source {
            name: "tools.js",
            text,
        };
        let exports = source.exports().expect(text);
        assert_eq!(exports.refused, [], "{text}");
        let kept = Program::compile(&Engine::new(), source, &exports.tools)
            .expect(text)
            .to_bytes();
        Program::from_bytes(&kept)
            .expect("what was written is read")
            .call(&Engine::new(), "f", arguments)
    }

    /// The message of what the function's body throws.
    fn thrown(body: &str) -> String {
        match call(&format!("export async function f() {{ {body} }}"), "{}") {
            Err(CallError::Thrown(thrown)) => thrown.message,
            other => panic!("{body}: {other:?}"),
        }
    }

    /// The value of an expression, as JSON.
    fn value(expression: &str) -> String {
        let text = format!("export async function f() {{ return {expression}; }}");
        call(&text, "{}").expect(expression).expect("a value")
    }

    #[test]
    fn arguments_go_by_name_and_defaults_apply() {
        let text = "export const f = (a, b = 2, c) => [a, b, c === undefined];";
        assert_eq!(call(text, r#"{"a": 1}"#), Ok(Some("[1,2,true]".to_owned())));
        assert_eq!(
            call(text, r#"{"c": 3, "b": null, "a": "x"}"#),
            Ok(Some(r#"["x",null,false]"#.to_owned()))
        );
        assert_eq!(call("export function f() {}", "{}"), Ok(None));
        let unknown = call("export function g() {}", "{}");
        assert_eq!(unknown, Err(CallError::UnknownTool));
    }

    #[test]
    fn a_promise_is_waited_for() {
        let text = "const ready = await Promise.resolve(40);
            export default async function f(n) { await new Promise((done) => setTimeout(done, 1)); return ready + n; }";
        assert_eq!(call(text, r#"{"n": 2}"#), Ok(Some("42".to_owned())));
        let order = "await (async () => {
            const seen = [];
            const late = (ms) => new Promise((done) => setTimeout(() => { seen.push(ms); done(); }, ms));
            clearTimeout(setTimeout(() => seen.push('cleared'), 0));
            await Promise.all([late(20), late(1), late(10)]);
            return seen;
        })()";
        assert_eq!(value(order), "[1,10,20]");
        assert_eq!(
            thrown("await new Promise(() => {});"),
            "it waits for a promise that nothing will ever settle"
        );
    }

    #[test]
    fn what_is_thrown_is_told() {
        assert_eq!(thrown("throw new Error('no such city');"), "no such city");
        assert_eq!(thrown("throw new RangeError();"), "RangeError");
        assert_eq!(thrown("throw 'plain';"), "plain");
        assert_eq!(thrown("throw { code: 7 };"), r#"{"code":7}"#);
        assert_eq!(thrown("missing();"), "missing is not defined");
        assert_eq!(
            thrown("const f = () => f(); f();"),
            "Maximum call stack size exceeded"
        );
        assert!(thrown("return 10n;").starts_with("the tool's result can't be written as JSON: "));
        assert_eq!(
            thrown("return () => 1;"),
            "the tool's result can't be written as JSON: it is a function"
        );
        for (value, mend) in [
            (
                "{ a: [new Map([[1, 2]])] }",
                "a Map has no JSON, return Object.fromEntries(map)",
            ),
            ("new Set([1])", "a Set has no JSON, return [...set]"),
        ] {
            assert_eq!(
                thrown(&format!("return {value};")),
                format!("the tool's result can't be written as JSON: {mend}")
            );
        }
        assert_eq!(
            call(
                "Set.prototype.toJSON = function () { return [...this]; };
                 export function f() { return [new Set([1]), JSON.stringify(new Map())]; }",
                "{}"
            ),
            Ok(Some(r#"[[1],"{}"]"#.to_owned()))
        );
        assert_eq!(
            thrown("await fetch('http://a/');"),
            "cannot fetch http://a/: there is no network outside a component"
        );
        assert!(thrown("await import('fs');").contains("fs"));
    }

    #[test]
    fn an_error_at_the_top_shows_when_the_text_is_read() {
        let source = Source {
            name: "tools.js",
            text: "export function f() {}\nnull.x;",
        };
        let tools = source.exports().expect("a function").tools;
        let thrown = Program::compile(&Engine::new(), source, &tools).expect_err("null has no x");
        assert_eq!(
            thrown.at_load("tools.js"),
            "tools.js, line 2: cannot read property 'x' of null"
        );
    }

    #[test]
    fn the_globals_are_there() {
        for (expression, expected) in [
            (
                "new TextDecoder().decode(new TextEncoder().encode('aé🦀'))",
                r#""aé🦀""#,
            ),
            ("new TextEncoder().encode('é').length", "2"),
            (
                "new TextDecoder().decode(new Uint8Array([97, 255]))",
                "\"a\u{fffd}\"",
            ),
            (
                "String(new URLSearchParams({ q: 'a b&c', n: 1 }))",
                r#""q=a+b%26c&n=1""#,
            ),
            (
                "new URLSearchParams('?a=1&b=x+y&a=2').getAll('a')",
                r#"["1","2"]"#,
            ),
            (
                "[...new Headers({ 'X-A': 1, 'x-b': ' 2 ' })]",
                r#"[["x-a","1"],["x-b","2"]]"#,
            ),
            ("crypto.randomUUID().length", "36"),
            (
                "/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(crypto.randomUUID())",
                "true",
            ),
            (
                "Math.random() >= 0 && Math.random() < 1 && Math.random() !== Math.random()",
                "true",
            ),
            ("atob(btoa('hi'))", r#""hi""#),
            ("process.env", "{}"),
            ("structuredClone({ a: [1] })", r#"{"a":[1]}"#),
            (
                "typeof console.log('a', { b: 1 }, new Error('c'))",
                r#""undefined""#,
            ),
            ("typeof host", r#""undefined""#),
        ] {
            assert_eq!(value(expression), expected, "{expression}");
        }
        assert_eq!(
            thrown("new TextDecoder('latin1')"),
            "TextDecoder knows only utf-8, not latin1"
        );
    }
}
