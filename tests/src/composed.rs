//! Providers that no compiler makes: of core instructions that a language does not have, or of two components that call
//! one another. Written as text, with the one tool `run`.

use wit_parser::{Resolve, Type, TypeDefKind};

use crate::root;

/// A provider whose one tool repeats a piece of core WebAssembly without end.
#[derive(Debug, Default)]
struct Repeating {
    /// Items of the component around the provider, and what the provider is instantiated with of them.
    around: String,
    arguments: String,
    /// Items of the provider that come first.
    before: String,
    /// What the core module is given.
    given: String,
    /// The same as imports from `env`.
    imports: String,
    /// Items of the core module.
    items: String,
    /// The instructions.
    body: String,
}

/// A string's encodings in the canonical ABI.
#[derive(Debug, Clone, Copy)]
pub enum Encoding {
    /// Bytes.
    Utf8,
    /// Pairs of bytes.
    Utf16,
    /// Bytes as long as the text allows it.
    Latin1OrUtf16,
}

impl Encoding {
    fn option(self) -> &'static str {
        match self {
            Self::Utf8 => "string-encoding=utf8",
            Self::Utf16 => "string-encoding=utf16",
            Self::Latin1OrUtf16 => "string-encoding=latin1+utf16",
        }
    }
}

/// Gives what lies in zeroed memory to another component, again and again: `parameter` is its type, `length` how many
/// units or elements it has, `from` and `to` how the two have their strings.
///
/// Both memories are as large as they need to be.
pub fn passing(parameter: &str, length: usize, from: Encoding, to: Encoding) -> Vec<u8> {
    let (from, to) = (from.option(), to.option());
    Repeating {
        around: format!(
            r#"
            (component $taker
                (core module $m
                    (memory (export "memory") {PAGES})
                    ;; Everything lies at the same place.
                    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const {PLACE}))
                    (func (export "take") (param i32 i32)))
                (core instance $i (instantiate $m))
                (func (export "take") (param "given" {parameter})
                    (canon lift (core func $i "take") (memory (core memory $i "memory"))
                        (realloc (core func $i "realloc")) {to})))
            (instance $taker (instantiate $taker))"#
        ),
        arguments: r#"(with "take" (func $taker "take"))"#.to_owned(),
        before: format!(
            r#"
            (import "take" (func $take (param "given" {parameter})))
            (core module $libc (memory (export "memory") {PAGES}))
            (core instance $libc (instantiate $libc))
            (core func $take (canon lower (func $take) (memory (core memory $libc "memory")) {from}))"#
        ),
        given: r#"(export "take" (func $take))"#.to_owned(),
        imports: r#"(import "env" "take" (func $take (param i32 i32)))"#.to_owned(),
        body: format!("(call $take (i32.const {PLACE}) (i32.const {length}))"),
        ..Repeating::default()
    }
    .component()
}

/// 100 MiB: enough for each string here.
const PAGES: usize = 1_600;

/// Where it lies.
const PLACE: usize = 65_536;

/// Makes a resource of its own and drops it, again and again; its destructor is the guest's.
pub fn dropping_resources() -> Vec<u8> {
    Repeating {
        before: r#"
            (core module $destructor
                (global $dropped (mut i32) (i32.const 0))
                (func (export "drop") (param i32)
                    (global.set $dropped (i32.add (global.get $dropped) (local.get 0)))))
            (core instance $destructor (instantiate $destructor))
            (type $thing (resource (rep i32) (dtor (core func $destructor "drop"))))
            (core func $new (canon resource.new $thing))
            (core func $rep (canon resource.rep $thing))
            (core func $drop (canon resource.drop $thing))"#
            .to_owned(),
        given:
            r#"(export "new" (func $new)) (export "rep" (func $rep)) (export "drop" (func $drop))"#
                .to_owned(),
        imports: r#"
            (import "env" "new" (func $new (param i32) (result i32)))
            (import "env" "rep" (func $rep (param i32) (result i32)))
            (import "env" "drop" (func $drop (param i32)))"#
            .to_owned(),
        items: "(global $thing (mut i32) (i32.const 0))".to_owned(),
        body: "
            (global.set $thing (call $new (i32.const 1)))
            (drop (call $rep (global.get $thing)))
            (call $drop (global.get $thing))"
            .to_owned(),
        ..Repeating::default()
    }
    .component()
}

/// Repeats core instructions alone; there are a table `$table` and a memory.
pub fn repeating(body: &str) -> Vec<u8> {
    Repeating {
        items: "(table $table 1 funcref)".to_owned(),
        body: body.to_owned(),
        ..Repeating::default()
    }
    .component()
}

impl Repeating {
    /// As a component.
    ///
    /// Its one record `tool` lies at 64 as the canonical ABI lays it out: name at +0, input-schema at +32, everything
    /// else none or empty.
    fn component(&self) -> Vec<u8> {
        let Self {
            around,
            arguments,
            before,
            given,
            imports,
            items,
            body,
        } = self;
        let text = format!(
            r#"(component
                {around}
                (component $provider
                    {before}
                    (core module $main
                        {imports}
                        (memory (export "memory") 1)
                        {items}
                        (data (i32.const 16) "\00\00\00\00\40\00\00\00\01\00\00\00")
                        (data (i32.const 64) "\c8\00\00\00\03\00\00\00")
                        (data (i32.const 96) "\dc\00\00\00\11\00\00\00")
                        (data (i32.const 200) "run")
                        (data (i32.const 220) "{{\"type\":\"object\"}}")
                        ;; The request is not looked at.
                        (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
                        (func (export "list-tools") (result i32) (i32.const 16))
                        (func (export "call-tool")
                            (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
                            (loop $again {body} (br $again))
                            unreachable))
                    (core instance $main (instantiate $main (with "env" (instance {given}))))
                    {types}
                    (func (export "list-tools") (result (result (list $tool) (error string)))
                        (canon lift (core func $main "list-tools") (memory (core memory $main "memory"))))
                    (func (export "call-tool") (param "request" $call-request) (result $outcome)
                        (canon lift (core func $main "call-tool") (memory (core memory $main "memory"))
                            (realloc (core func $main "realloc")))))
                (instance $provider (instantiate $provider {arguments}))
                (export "sandglass:tool/tools@0.1.0" (instance $provider)))"#,
            types = types(),
        );
        wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}"))
    }
}

/// The contract's types, each under its own name.
fn types() -> String {
    let mut resolve = Resolve::default();
    let (package, _) = resolve
        .push_dir(root().join("wit"))
        .expect("the contract is WIT");
    ["types", "tools"]
        .iter()
        .flat_map(|interface| {
            let interface = resolve.packages[package].interfaces[*interface];
            resolve.interfaces[interface].types.iter()
        })
        .filter_map(|(name, id)| {
            let defined = definition(&resolve, &resolve.types[*id].kind)?;
            Some(format!(
                r#"(type $"{name} itself" {defined}) (export ${name} "{name}" (type $"{name} itself"))"#
            ))
        })
        .collect()
}

/// What a name stands for; none where it is another name.
fn definition(resolve: &Resolve, kind: &TypeDefKind) -> Option<String> {
    let reference = |ty| reference(resolve, ty);
    match kind {
        TypeDefKind::Record(record) => {
            let fields = record.fields.iter();
            let fields =
                fields.map(|field| format!(r#"(field "{}" {})"#, field.name, reference(&field.ty)));
            Some(format!("(record {})", fields.collect::<String>()))
        }
        TypeDefKind::Variant(variant) => {
            let cases = variant.cases.iter();
            let cases = cases.map(|case| {
                let payload = case.ty.as_ref().map(reference).unwrap_or_default();
                format!(r#"(case "{}" {payload})"#, case.name)
            });
            Some(format!("(variant {})", cases.collect::<String>()))
        }
        TypeDefKind::Enum(names) => {
            let cases = names.cases.iter();
            let cases = cases.map(|case| format!(r#""{}" "#, case.name));
            Some(format!("(enum {})", cases.collect::<String>()))
        }
        _ => None,
    }
}

/// A type where another one has it.
fn reference(resolve: &Resolve, ty: &Type) -> String {
    let Type::Id(id) = ty else {
        return match ty {
            Type::Bool => "bool",
            Type::F64 => "f64",
            Type::String => "string",
            Type::U64 => "u64",
            Type::U8 => "u8",
            other => panic!("the contract has no {other:?}"),
        }
        .to_owned();
    };
    let ty = &resolve.types[*id];
    match &ty.kind {
        TypeDefKind::Type(other) => reference(resolve, other),
        TypeDefKind::List(element) => format!("(list {})", reference(resolve, element)),
        TypeDefKind::Option(some) => format!("(option {})", reference(resolve, some)),
        TypeDefKind::Tuple(tuple) => {
            let types = tuple.types.iter().map(|ty| reference(resolve, ty) + " ");
            format!("(tuple {})", types.collect::<String>())
        }
        _ => format!("${}", ty.name.as_ref().expect("it has a name")),
    }
}

#[cfg(test)]
mod tests {
    use super::{Encoding, dropping_resources, passing, repeating};

    #[test]
    fn what_is_written_is_a_component() {
        for component in [
            dropping_resources(),
            passing("string", 1, Encoding::Utf8, Encoding::Latin1OrUtf16),
            passing("(list (list u8))", 1, Encoding::Utf8, Encoding::Utf8),
            repeating("(drop (memory.grow (i32.const 0)))"),
        ] {
            assert_eq!(&component[..8], b"\0asm\x0d\0\x01\0");
        }
    }
}
