//! Source text: the functions that it exports, with what a caller must know of them.

use oxc_allocator::Allocator;
use oxc_ast::{
    Comment,
    ast::{
        Declaration, ExportDefaultDeclarationKind, Expression, FormalParameter, FormalParameters,
        Function, Program, Statement,
    },
};
use oxc_parser::Parser;
use oxc_span::{GetSpan, SourceType, Span};
use serde_json::{Value, json};

use crate::jsdoc::Doc;
use crate::tool::{Parameter, Tool};
use crate::types::{Property, Type};

/// A source text with the name that its author knows it by.
#[derive(Debug, Clone, Copy)]
pub struct Source<'t> {
    /// A file's name, or the one that the operator gave it.
    pub name: &'t str,
    /// The text: a module.
    pub text: &'t str,
}

/// What a source text exports.
#[derive(Debug, Default)]
pub struct Exports {
    /// The functions that are tools, in the order of the text.
    pub tools: Vec<Tool>,
    /// Those that cannot be.
    pub refused: Vec<Refused>,
}

/// An exported function that cannot be a tool.
#[derive(Debug, PartialEq)]
pub struct Refused {
    /// Its name.
    pub function: String,
    /// The line where it is written, from 1.
    line: usize,
    /// What is wrong, and what to write instead.
    problem: String,
}

impl Refused {
    /// Where it is written, what is wrong, and what to write instead.
    pub fn reason(&self, source: Source<'_>) -> String {
        format!("{}, line {}: {}", source.name, self.line, self.problem)
    }
}

impl<'t> Source<'t> {
    /// Reads what the text exports. An error is one of the whole text: it cannot be read, or has no tool in it.
    pub fn exports(self) -> Result<Exports, String> {
        let allocator = Allocator::default();
        let parsed = Parser::new(&allocator, self.text, SourceType::mjs()).parse();
        if let Some(error) = parsed.diagnostics.errors().next() {
            let at = error.labels.first().map_or(0, |label| label.offset());
            return Err(self.syntax_error(&error.message, at));
        }
        let mut reader = Reader {
            source: self,
            program: &parsed.program,
            exports: Exports::default(),
        };
        for statement in &parsed.program.body {
            reader.statement(statement)?;
        }
        let Exports { tools, refused } = &reader.exports;
        if tools.is_empty() && refused.is_empty() {
            return Err(format!(
                "{} exports no function: write `export` before each function that is a tool",
                self.name
            ));
        }
        Ok(reader.exports)
    }

    fn syntax_error(self, message: &str, at: u32) -> String {
        let (line, column, text) = self.place(at);
        let (name, text) = (self.name, text.trim());
        format!("{name}, line {line}, column {column}: {message}: `{text}`")
    }

    /// Line and column, from 1, and the line.
    fn place(self, at: u32) -> (usize, usize, &'t str) {
        let at = self.text.floor_char_boundary(at as usize);
        let start = self.text[..at].rfind('\n').map_or(0, |end| end + 1);
        let line = self.text[..at].matches('\n').count() + 1;
        let column = self.text[start..at].chars().count() + 1;
        let text = self.text[start..].lines().next().unwrap_or_default();
        (line, column, text.trim_end())
    }
}

struct Reader<'r, 't> {
    source: Source<'t>,
    program: &'r Program<'r>,
    exports: Exports,
}

/// A function, however it was written.
struct Found<'r> {
    parameters: &'r FormalParameters<'r>,
    generator: bool,
}

impl<'r> Reader<'r, '_> {
    fn statement(&mut self, statement: &'r Statement<'r>) -> Result<(), String> {
        match statement {
            Statement::ImportDeclaration(import) => {
                Err(self.no_modules(import.span, &import.source.value))
            }
            Statement::ExportAllDeclaration(export) => {
                Err(self.no_modules(export.span, &export.source.value))
            }
            Statement::ExportDefaultDeclaration(export) => {
                let found = match &export.declaration {
                    ExportDefaultDeclarationKind::FunctionDeclaration(function) => Some((
                        function.id.as_ref().map(|id| id.name.as_str()),
                        Found::of(function),
                    )),
                    other => other
                        .as_expression()
                        .and_then(Found::of_expression)
                        .map(|found| (None, found)),
                };
                if let Some((name, found)) = found {
                    self.export("default", name.unwrap_or("default"), export.span, &found);
                }
                Ok(())
            }
            Statement::ExportFromDeclaration(export) => {
                Err(self.no_modules(export.span, &export.source.value))
            }
            Statement::ExportDeclaration(export) => {
                for (name, found) in declared(&export.declaration) {
                    self.export(name, name, export.span, &found);
                }
                Ok(())
            }
            Statement::ExportNamedDeclaration(export) => {
                for specifier in &export.specifiers {
                    let (local, exported) = (specifier.local.name(), specifier.exported.name());
                    if let Some((span, found)) = self.local(&local) {
                        let name = if exported == "default" {
                            &local
                        } else {
                            &exported
                        };
                        self.export(&exported, name, span, &found);
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The function that a name stands for in the module, and the statement that declares it.
    fn local(&self, name: &str) -> Option<(Span, Found<'r>)> {
        self.program.body.iter().find_map(|statement| {
            let (_, found) = declared(statement.as_declaration()?)
                .into_iter()
                .find(|(known, _)| *known == name)?;
            Some((statement.span(), found))
        })
    }

    /// Makes a tool of a function, or says why it cannot be one.
    fn export(&mut self, export: &str, name: &str, statement: Span, found: &Found<'r>) {
        match self.tool(export, name, statement, found) {
            Ok(tool) => self.exports.tools.push(tool),
            Err(problem) => {
                let (line, _, _) = self.source.place(statement.start);
                self.exports.refused.push(Refused {
                    function: name.to_owned(),
                    line,
                    problem,
                });
            }
        }
    }

    fn tool(
        &self,
        export: &str,
        name: &str,
        statement: Span,
        found: &Found<'r>,
    ) -> Result<Tool, String> {
        if name == "default" {
            return Err("it has no name: write `export function NAME(..)`".to_owned());
        }
        if !is_tool_name(name) {
            return Err(
                "a tool's name has 1 to 128 letters (a to z), digits, `_` or `-`: rename it"
                    .to_owned(),
            );
        }
        if found.generator {
            return Err(
                "a generator cannot be a tool: write `function` without `*`, and return a list"
                    .to_owned(),
            );
        }
        if let Some(rest) = &found.parameters.rest {
            let name = rest.rest.argument.get_identifier_name();
            let name = name.as_ref().map_or("rest", |name| name.as_str());
            return Err(format!(
                "`...{name}` takes any number of arguments, which a caller cannot name: write one list instead, `{name}`, with `@param {{T[]}} {name}`"
            ));
        }
        let doc = match self.comment(statement) {
            None => Doc::default(),
            Some(comment) => Doc::parse(comment.span.source_text(self.source.text))?,
        };
        let mut tool = Tool {
            name: name.to_owned(),
            export: export.to_owned(),
            description: doc.description,
            parameters: Vec::new(),
            returns: doc.returns,
        };
        for parameter in &found.parameters.items {
            tool.parameters
                .push(self.parameter(parameter, &doc.parameters)?);
        }
        let names = tool.parameter_names();
        match doc
            .parameters
            .iter()
            .find(|told| !names.contains(&told.name))
        {
            None => Ok(tool),
            Some(told) => Err(format!(
                "`@param {}` is none of its parameters: {}",
                told.name,
                if names.is_empty() {
                    "it has none".to_owned()
                } else {
                    format!("they are {}", names.join(", "))
                }
            )),
        }
    }

    fn parameter(
        &self,
        written: &'r FormalParameter<'r>,
        told: &[crate::jsdoc::Parameter],
    ) -> Result<Parameter, String> {
        let Some(name) = written.pattern.get_identifier_name() else {
            let text = written.pattern.span().source_text(self.source.text);
            return Err(format!(
                "the parameter `{text}` has no name: write one parameter for each value, `(a, b)`, or one object with a name, `(options)`"
            ));
        };
        let told = told.iter().find(|told| told.name == name.as_str());
        let default = written.initializer.as_deref();
        Ok(Parameter {
            property: Property {
                name: name.as_str().to_owned(),
                kind: told.map_or(Type::Any, |told| told.kind.clone()),
                optional: default.is_some() || told.is_some_and(|told| told.optional),
                description: told.and_then(|told| told.description.clone()),
            },
            default: default.and_then(plain),
        })
    }

    /// The JSDoc comment right before a statement.
    fn comment(&self, statement: Span) -> Option<&'r Comment> {
        self.program
            .comments
            .iter()
            .rfind(|comment| comment.is_jsdoc() && comment.attached_to == statement.start)
    }

    fn no_modules(&self, span: Span, from: &str) -> String {
        let message = format!(
            "`{from}` cannot be imported: there are no modules here; write it into this text, or build a tool with the JavaScript SDK"
        );
        self.source.syntax_error(&message, span.start)
    }
}

impl<'r> Found<'r> {
    fn of(function: &'r Function<'r>) -> Self {
        Self {
            parameters: &function.params,
            generator: function.generator,
        }
    }

    fn of_expression(expression: &'r Expression<'r>) -> Option<Self> {
        match expression.get_inner_expression() {
            Expression::FunctionExpression(function) => Some(Self::of(function)),
            Expression::ArrowFunctionExpression(arrow) => Some(Self {
                parameters: &arrow.params,
                generator: false,
            }),
            _ => None,
        }
    }
}

/// The functions that a declaration declares.
fn declared<'r>(declaration: &'r Declaration<'r>) -> Vec<(&'r str, Found<'r>)> {
    match declaration {
        Declaration::FunctionDeclaration(function) => function
            .id
            .iter()
            .map(|id| (id.name.as_str(), Found::of(function)))
            .collect(),
        Declaration::VariableDeclaration(variables) => variables
            .declarations
            .iter()
            .filter_map(|variable| {
                let found = Found::of_expression(variable.init.as_ref()?)?;
                match &variable.id {
                    oxc_ast::ast::BindingPattern::BindingIdentifier(id) => {
                        Some((id.name.as_str(), found))
                    }
                    _ => None,
                }
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// The value of an expression that is a plain one.
fn plain(expression: &Expression<'_>) -> Option<Value> {
    match expression {
        Expression::StringLiteral(text) => Some(json!(text.value.as_str())),
        Expression::BooleanLiteral(literal) => Some(json!(literal.value)),
        Expression::NullLiteral(_) => Some(Value::Null),
        Expression::NumericLiteral(number) => Some(number_of(number.value)),
        Expression::UnaryExpression(unary) if unary.operator.as_str() == "-" => {
            match &unary.argument {
                Expression::NumericLiteral(number) => Some(number_of(-number.value)),
                _ => None,
            }
        }
        Expression::ArrayExpression(list) if list.elements.is_empty() => Some(json!([])),
        Expression::ObjectExpression(object) if object.properties.is_empty() => Some(json!({})),
        _ => None,
    }
}

/// A whole number as one.
fn number_of(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < 2_f64.powi(53) {
        json!(value as i64)
    } else {
        json!(value)
    }
}

fn is_tool_name(name: &str) -> bool {
    (1..=128).contains(&name.len())
        && name
            .bytes()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'-' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Exports, String> {
        Source {
            name: "tools.js",
            text,
        }
        .exports()
    }

    fn tools(text: &str) -> Vec<Tool> {
        let exports = read(text).expect(text);
        assert_eq!(exports.refused, [], "{text}");
        exports.tools
    }

    #[test]
    fn every_form_of_an_exported_function_is_a_tool() {
        let text = "
            const helper = 1;
            /** One. */
            export function one() {}
            /** Two. */
            export async function two() {}
            /** Three. */
            export const three = (a) => a, four = function () {}, notOne = 4;
            /** Five. */
            function five() {}
            const six = async () => {};
            export { five, six as seven, helper };
            /** Eight. */
            export default function eight() {}
            export class Nine {}
        ";
        let found: Vec<_> = tools(text)
            .into_iter()
            .map(|tool| (tool.name, tool.export, tool.description))
            .collect();
        let expected = [
            ("one", "one", Some("One.")),
            ("two", "two", Some("Two.")),
            ("three", "three", Some("Three.")),
            ("four", "four", Some("Three.")),
            ("five", "five", Some("Five.")),
            ("seven", "seven", None),
            ("eight", "default", Some("Eight.")),
        ];
        assert_eq!(
            found,
            expected.map(|(name, export, text)| (
                name.to_owned(),
                export.to_owned(),
                text.map(str::to_owned)
            ))
        );
    }

    #[test]
    fn parameters_have_their_types_and_defaults() {
        let text = "/**
 * @param {number} a - First.
 * @param {'C'|'F'} unit
 * @param {string} [note]
 * @returns {Promise<string>}
 */
export async function f(a, unit = 'C', note, limit = -2, list = [], now = Date.now()) {}";
        let [tool] = &tools(text)[..] else { panic!() };
        assert_eq!(
            tool.input_schema(),
            json!({
                "type": "object",
                "properties": {
                    "a": { "type": "number", "description": "First." },
                    "unit": { "type": "string", "enum": ["C", "F"], "default": "C" },
                    "note": { "type": "string" },
                    "limit": { "default": -2 },
                    "list": { "default": [] },
                    "now": {},
                },
                "required": ["a"],
                "additionalProperties": false,
            })
        );
        assert_eq!(tool.output_schema(), Some(json!({ "type": "string" })));
        assert_eq!(
            tools("/** @returns {void} */ export function f() {}")[0].output_schema(),
            None
        );
    }

    #[test]
    fn a_syntax_error_has_its_line_and_column_and_the_line() {
        assert_eq!(
            read("export function f() {\n    return 1 +;\n}").expect_err("a syntax error"),
            "tools.js, line 2, column 15: Unexpected token: `return 1 +;`"
        );
        let told = read("import x from 'left-pad';").expect_err("an import");
        assert!(
            told.starts_with("tools.js, line 1, column 1: `left-pad` cannot be imported: "),
            "{told}"
        );
    }

    #[test]
    fn what_cannot_be_a_tool_says_what_to_write() {
        for (text, reason) in [
            (
                "export function f(...args) {}",
                "`...args` takes any number of arguments, which a caller cannot name: write one list instead, `args`, with `@param {T[]} args`",
            ),
            (
                "export function f({ a }) {}",
                "the parameter `{ a }` has no name",
            ),
            ("export function* f() {}", "a generator cannot be a tool"),
            (
                "export function $f() {}",
                "a tool's name has 1 to 128 letters",
            ),
            (
                "export default () => 1;",
                "it has no name: write `export function NAME(..)`",
            ),
            (
                "/** @param {Date} a */ export function f(a) {}",
                "`Date` is not known",
            ),
            (
                "/** @param {number} b */ export function f(a) {}",
                "`@param b` is none of its parameters: they are a",
            ),
        ] {
            let exports = read(text).expect(text);
            assert_eq!(exports.tools, [], "{text}");
            let [refused] = &exports.refused[..] else {
                panic!("{text}")
            };
            assert!(refused.problem.contains(reason), "{text}: {refused:?}");
            assert_eq!(refused.line, 1);
        }
        let told = read("const a = 1;").expect_err("no function");
        assert_eq!(
            told,
            "tools.js exports no function: write `export` before each function that is a tool"
        );
    }
}
