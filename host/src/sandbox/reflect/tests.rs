//! Types of real components, and values of all of them, there and back.

use std::fmt::Write as _;

use proptest::prelude::*;
use proptest::sample::SizeRange;
use proptest::strategy::Union;
use serde_json::json;
use wasmtime::Engine;
use wasmtime::component::Type;

use super::shape::{Case, Integer};
use super::*;

fn component(wat: &str) -> Component {
    let bytes = wat::parse_str(wat).unwrap_or_else(|error| panic!("{error}\n{wat}"));
    Component::new(&Engine::default(), bytes).unwrap_or_else(|error| panic!("{error:?}\n{wat}"))
}

/// The type of a parameter: wasmtime has types of components only.
fn parameter(declarations: &str, ty: &str) -> Type {
    let component = component(&format!(
        r#"(component (import "a:b/c" (instance
            {declarations}
            (export "f" (func (param "x" {ty}))))))"#
    ));
    let engine = component.engine();
    let types = component.component_type();
    let Some((_, import)) = types.imports(engine).next() else {
        panic!("it has an import");
    };
    let ComponentItem::ComponentInstance(instance) = import.ty else {
        panic!("the import is an instance");
    };
    let Some(ComponentItem::ComponentFunc(function)) =
        instance.get_export(engine, "f").map(|item| item.ty)
    else {
        panic!("the instance has a function");
    };
    function.params().next().expect("it has a parameter").1
}

fn shape(declarations: &str, ty: &str) -> Result<Shape, NoShape> {
    Budget::default().shape(&parameter(declarations, ty))
}

/// A shape as component text. Types with names are declared first.
fn text(shape: &Shape, declarations: &mut String) -> String {
    let mut optional = |name: &str, shape: Option<&Shape>| match shape {
        Some(shape) => format!("({name} {})", text(shape, declarations)),
        None => String::new(),
    };
    match shape {
        Shape::Bool => "bool".to_owned(),
        Shape::Integer(integer) => format!("{integer:?}").to_lowercase(),
        Shape::F32 => "f32".to_owned(),
        Shape::F64 => "f64".to_owned(),
        Shape::Char => "char".to_owned(),
        Shape::String => "string".to_owned(),
        Shape::List(item) => optional("list", Some(item)),
        Shape::Option(some) => optional("option", Some(some)),
        Shape::Result { ok, err } => match ok {
            Some(ok) => {
                let ok = text(ok, declarations);
                let err = err
                    .as_ref()
                    .map(|err| format!("(error {})", text(err, declarations)));
                format!("(result {ok} {})", err.unwrap_or_default())
            }
            None => format!("(result {})", optional("error", err.as_deref())),
        },
        Shape::Tuple(items) => {
            let items: Vec<_> = items.iter().map(|item| text(item, declarations)).collect();
            format!("(tuple {})", items.join(" "))
        }
        Shape::Record(fields) => {
            let fields: String = fields
                .iter()
                .map(|field| {
                    let ty = text(&field.shape, declarations);
                    format!("(field \"{}\" {ty})", field.name)
                })
                .collect();
            declare(&format!("(record {fields})"), declarations)
        }
        Shape::Variant(cases) => {
            let cases: String = cases
                .iter()
                .map(|case| {
                    let payload = case.payload.as_ref();
                    let payload = payload.map(|shape| text(shape, declarations));
                    format!("(case \"{}\" {})", case.name, payload.unwrap_or_default())
                })
                .collect();
            declare(&format!("(variant {cases})"), declarations)
        }
        Shape::Enum(names) => declare(&format!("(enum {})", quoted(names)), declarations),
        Shape::Flags(names) => declare(&format!("(flags {})", quoted(names)), declarations),
    }
}

fn quoted(names: &[String]) -> String {
    names.iter().fold(String::new(), |mut text, name| {
        _ = write!(text, "\"{name}\" ");
        text
    })
}

fn declare(ty: &str, declarations: &mut String) -> String {
    let number = declarations.lines().count();
    _ = writeln!(
        declarations,
        "(type $d{number} {ty}) (export \"t{number}\" (type $t{number} (eq $d{number})))"
    );
    format!("$t{number}")
}

fn names(count: impl Into<SizeRange>) -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(Just(()), count)
        .prop_map(|names| (0..names.len()).map(|index| format!("n-{index}")).collect())
}

fn shapes() -> impl Strategy<Value = Shape> {
    let integer = prop::sample::select(vec![
        Integer::U8,
        Integer::U16,
        Integer::U32,
        Integer::U64,
        Integer::S8,
        Integer::S16,
        Integer::S32,
        Integer::S64,
    ]);
    let leaf = prop_oneof![
        4 => integer.prop_map(Shape::Integer),
        3 => prop::sample::select(vec![Shape::Bool, Shape::F32, Shape::F64, Shape::Char, Shape::String]),
        1 => names(1..5).prop_map(Shape::Enum),
        1 => names(1..33).prop_map(Shape::Flags),
    ];
    leaf.prop_recursive(5, 48, 5, |inner| {
        let boxed = inner.clone().prop_map(Box::new);
        let maybe = prop::option::of(boxed.clone());
        let many = prop::collection::vec(inner.clone(), 1..5);
        let cases = prop::collection::vec(prop::option::of(inner), 1..5);
        prop_oneof![
            boxed.clone().prop_map(Shape::List),
            boxed.prop_map(Shape::Option),
            (maybe.clone(), maybe).prop_map(|(ok, err)| Shape::Result { ok, err }),
            many.clone().prop_map(Shape::Tuple),
            many.prop_map(|shapes| {
                let fields = shapes.into_iter().enumerate();
                let field = |(index, shape)| Field {
                    name: format!("f-{index}"),
                    shape,
                };
                Shape::Record(fields.map(field).collect())
            }),
            cases.prop_map(|payloads| {
                let cases = payloads.into_iter().enumerate();
                let case = |(index, payload)| Case {
                    name: format!("c-{index}"),
                    payload,
                };
                Shape::Variant(cases.map(case).collect())
            }),
        ]
    })
}

/// Values of a shape. JSON has no infinity to give to a guest.
fn values(shape: &Shape) -> BoxedStrategy<Val> {
    fn payload(shape: Option<&Shape>) -> BoxedStrategy<Option<Box<Val>>> {
        match shape {
            Some(shape) => values(shape)
                .prop_map(|value| Some(Box::new(value)))
                .boxed(),
            None => Just(None).boxed(),
        }
    }
    let finite = prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL | prop::num::f64::ZERO;
    let narrow = prop::num::f32::NORMAL | prop::num::f32::SUBNORMAL | prop::num::f32::ZERO;
    match shape {
        Shape::Bool => any::<bool>().prop_map(Val::Bool).boxed(),
        Shape::Integer(Integer::U8) => any::<u8>().prop_map(Val::U8).boxed(),
        Shape::Integer(Integer::U16) => any::<u16>().prop_map(Val::U16).boxed(),
        Shape::Integer(Integer::U32) => any::<u32>().prop_map(Val::U32).boxed(),
        Shape::Integer(Integer::U64) => any::<u64>().prop_map(Val::U64).boxed(),
        Shape::Integer(Integer::S8) => any::<i8>().prop_map(Val::S8).boxed(),
        Shape::Integer(Integer::S16) => any::<i16>().prop_map(Val::S16).boxed(),
        Shape::Integer(Integer::S32) => any::<i32>().prop_map(Val::S32).boxed(),
        Shape::Integer(Integer::S64) => any::<i64>().prop_map(Val::S64).boxed(),
        Shape::F32 => narrow.prop_map(Val::Float32).boxed(),
        Shape::F64 => finite.prop_map(Val::Float64).boxed(),
        Shape::Char => any::<char>().prop_map(Val::Char).boxed(),
        Shape::String => any::<String>().prop_map(Val::String).boxed(),
        Shape::List(item) => prop::collection::vec(values(item), 0..4)
            .prop_map(Val::List)
            .boxed(),
        Shape::Tuple(items) => {
            let items: Vec<_> = items.iter().map(values).collect();
            items.prop_map(Val::Tuple).boxed()
        }
        Shape::Record(fields) => {
            let names: Vec<String> = fields.iter().map(|field| field.name.clone()).collect();
            let values: Vec<_> = fields.iter().map(|field| values(&field.shape)).collect();
            values
                .prop_map(move |values| Val::Record(names.iter().cloned().zip(values).collect()))
                .boxed()
        }
        Shape::Variant(cases) => Union::new(cases.iter().map(|case| {
            let name = case.name.clone();
            payload(case.payload.as_ref())
                .prop_map(move |value| Val::Variant(name.clone(), value))
                .boxed()
        }))
        .boxed(),
        Shape::Enum(names) => prop::sample::select(names.clone())
            .prop_map(Val::Enum)
            .boxed(),
        Shape::Flags(names) => prop::sample::subsequence(names.clone(), 0..=names.len())
            .prop_map(Val::Flags)
            .boxed(),
        Shape::Option(some) => prop_oneof![
            Just(Val::Option(None)),
            payload(Some(some)).prop_map(Val::Option)
        ]
        .boxed(),
        Shape::Result { ok, err } => prop_oneof![
            payload(ok.as_deref()).prop_map(|value| Val::Result(Ok(value))),
            payload(err.as_deref()).prop_map(|value| Val::Result(Err(value))),
        ]
        .boxed(),
    }
}

fn is_valid(schema: &Value, instance: &Value) -> bool {
    jsonschema::validator_for(schema)
        .expect("the schema is one")
        .is_valid(instance)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_type_of_a_component_has_its_shape(expected in shapes()) {
        let mut declarations = String::new();
        let ty = text(&expected, &mut declarations);
        prop_assert_eq!(shape(&declarations, &ty), Ok(expected));
    }

    #[test]
    fn values_are_the_same_after_a_way_through_json(
        (shape, value) in shapes().prop_flat_map(|shape| {
            let value = values(&shape);
            (Just(shape), value)
        })
    ) {
        let text = lift::text(&shape, &value, u64::MAX).unwrap();
        let json: Value = serde_json::from_str(&text).unwrap();
        for way in [Way::In, Way::Out] {
            let schema = schema::schema(&shape, way);
            prop_assert!(is_valid(&schema, &json), "{} {}", schema, json);
        }
        prop_assert_eq!(lower::lower(&shape, json), Ok(value));
    }

    #[test]
    fn what_the_schema_refuses_is_no_value(
        (shape, other) in (shapes(), shapes()).prop_flat_map(|(shape, other)| {
            let value = values(&other);
            let value = value.prop_map(move |value| lift::text(&other, &value, u64::MAX).unwrap());
            (Just(shape), value)
        })
    ) {
        let json: Value = serde_json::from_str(&other).unwrap();
        let schema = schema::schema(&shape, Way::In);
        let lowered = lower::lower(&shape, json.clone());
        prop_assert!(lowered.is_err() || is_valid(&schema, &json), "{} {}", schema, json);
    }
}

#[test]
fn floats_that_json_does_not_have_are_named() {
    for (shape, value, expected) in [
        (Shape::F64, Val::Float64(f64::NAN), "NaN"),
        (Shape::F64, Val::Float64(f64::INFINITY), "Infinity"),
        (Shape::F32, Val::Float32(f32::NEG_INFINITY), "-Infinity"),
    ] {
        let text = lift::text(&shape, &value, 100).unwrap();
        assert_eq!(text, format!("{expected:?}"));
        assert!(is_valid(
            &schema::schema(&shape, Way::Out),
            &json!(expected)
        ));
        assert!(!is_valid(
            &schema::schema(&shape, Way::In),
            &json!(expected)
        ));
    }
    assert!(!is_valid(
        &schema::schema(&Shape::F64, Way::Out),
        &json!("other")
    ));
}

#[test]
fn integers_are_exact_and_in_range() {
    let u64s = Shape::Integer(Integer::U64);
    for (json, expected) in [
        (json!(u64::MAX), Ok(Val::U64(u64::MAX))),
        (
            json!(9_007_199_254_740_993_u64),
            Ok(Val::U64((1 << 53) + 1)),
        ),
        (json!(7.0), Ok(Val::U64(7))),
        (json!(-1), Err(())),
        (json!(1.5), Err(())),
        (json!(18_446_744_073_709_551_616.0), Err(())),
    ] {
        assert_eq!(lower::lower(&u64s, json).map_err(|_| ()), expected);
    }
    let s64s = Shape::Integer(Integer::S64);
    assert_eq!(lower::lower(&s64s, json!(i64::MIN)), Ok(Val::S64(i64::MIN)));
    assert!(lower::lower(&Shape::Integer(Integer::S8), json!(128)).is_err());
    assert!(lower::lower(&Shape::F32, json!(1e39)).is_err());
}

fn field(name: &str, shape: Shape) -> Field {
    Field {
        name: name.to_owned(),
        shape,
    }
}

#[test]
fn options_and_flags_may_be_left_out_of_arguments() {
    let fields = [
        field("text", Shape::Option(Box::new(Shape::String))),
        field("marks", Shape::Flags(vec!["a".to_owned(), "b".to_owned()])),
    ];
    let schema = schema::object(&fields, Way::In);
    let empty = [
        ("text".to_owned(), Val::Option(None)),
        ("marks".to_owned(), Val::Flags(vec!["b".to_owned()])),
    ];
    for arguments in [
        json!({"marks": {"b": true}}),
        json!({"text": null, "marks": {"a": false, "b": true}}),
    ] {
        assert!(is_valid(&schema, &arguments));
        let Value::Object(arguments) = arguments else {
            unreachable!("they are objects");
        };
        assert_eq!(lower::fields(&fields, arguments).unwrap(), empty);
    }
    assert!(!is_valid(&schema, &json!({"marks": {"c": true}})));
    assert!(!is_valid(&schema, &json!({"text": "x"})));
}

#[test]
fn a_misfit_names_its_place() {
    let point = Shape::Record(vec![field("x", Shape::Integer(Integer::U8))]);
    let fields = [field("points", Shape::List(Box::new(point)))];
    for (arguments, expected) in [
        (
            json!({"points": [{"x": 1}, {"x": 256}]}),
            "`points/1/x`: it is out of the range of its integer type",
        ),
        (json!({}), "`points`: it is required"),
        (
            json!({"points": [{"x": 1, "y": 2}]}),
            "`points/0/y`: there is no such field",
        ),
    ] {
        let Value::Object(arguments) = arguments else {
            unreachable!("they are objects");
        };
        let misfit = lower::fields(&fields, arguments).unwrap_err();
        assert_eq!(misfit.to_string(), expected);
    }
}

#[test]
fn a_type_that_is_hostile_has_no_shape() {
    let deep = |levels| format!("{}u8{}", "(list ".repeat(levels), ")".repeat(levels));
    assert!(shape("", &deep(31)).is_ok());
    assert_eq!(shape("", &deep(32)), Err(NoShape::TooDeep));

    let mut doubling = "(type $p0 (tuple u8 u8))".to_owned();
    for level in 1..14 {
        _ = write!(doubling, "(type $p{level} (tuple $p{0} $p{0}))", level - 1);
    }
    assert!(shape(&doubling, "$p5").is_ok());
    assert_eq!(shape(&doubling, "$p13"), Err(NoShape::TooLarge));

    let names: Vec<String> = (0..9_000).map(|index| format!("n{index}")).collect();
    let mut declarations = String::new();
    let ty = text(&Shape::Enum(names), &mut declarations);
    assert_eq!(shape(&declarations, &ty), Err(NoShape::TooLarge));
}

#[test]
fn a_result_is_bounded_while_it_is_written() {
    let names: Vec<String> = (0..32).map(|index| format!("flag-{index}")).collect();
    let shape = Shape::List(Box::new(Shape::Flags(names)));
    let value = Val::List(vec![Val::Flags(Vec::new()); 100]);
    let whole = lift::text(&shape, &value, u64::MAX).unwrap();
    assert!(whole.len() > 50_000);
    let length = whole.len() as u64;
    assert_eq!(lift::text(&shape, &value, length).unwrap(), whole);
    let error = lift::text(&shape, &value, length - 1).unwrap_err();
    assert!(error.is::<OutputExceeded>(), "{error}");
}

/// A component with functions to lift and export as the text says, and `$f` (`a: u32`).
fn exporting(exports: &str) -> Result<(Vec<String>, Vec<LeftOut>), ReflectError> {
    let component = component(&format!(
        r#"(component
            (core module $m
                (func (export "f") (param i32))
                (func (export "g") (param i32 i64))
                (func (export "make") (result i32) i32.const 0))
            (core instance $i (instantiate $m))
            (func $f (param "a" u32) (canon lift (core func $i "f")))
            (type $handle (resource (rep i32)))
            {exports})"#
    ));
    let (functions, left_out) = reflect(&component, &Docs::default())?;
    let names = functions.into_iter().map(|function| function.tool.name);
    Ok((names.collect(), left_out))
}

const MAKE: &str = r#"
    (export $thing "thing" (type $handle))
    (func (export "make") (result (own $thing)) (canon lift (core func $i "make")))"#;

#[test]
fn functions_are_tools_at_the_root_and_in_interfaces() {
    let (names, left_out) = exporting(&format!(
        r#"{MAKE}
        (instance $n (export "run-all" (func $f)))
        (export "first" (func $f))
        (export "acme:math/ops@0.1.0" (instance $n))
        (export "plain" (instance $n))
        (export "wasi:cli/run@0.2.0" (instance $n))"#
    ))
    .unwrap();
    assert_eq!(
        names,
        ["first", "acme_math_ops_0_1_0_run-all", "plain_run-all"]
    );
    let reason = |function: &str| {
        let found = left_out
            .iter()
            .find(|left_out| left_out.function == function);
        found.expect("it is left out").reason.as_str()
    };
    assert_eq!(left_out.len(), 2);
    assert_eq!(
        reason("make"),
        "its result has a resource handle, which JSON cannot carry"
    );
    assert!(reason("wasi:cli/run@0.2.0#run-all").contains("WASI"));
}

#[test]
fn the_start_of_componentize_py_is_no_tool() {
    let (names, left_out) = exporting(
        r#"(func $init (param "app-name" u32) (canon lift (core func $i "f")))
        (instance $start (export "init" (func $init)))
        (instance $other (export "init" (func $f)))
        (export "exports" (instance $start))
        (export "a:b/exports" (instance $other))"#,
    )
    .unwrap();
    assert_eq!(names, ["a_b_exports_init"]);
    assert_eq!(left_out[0].function, "exports#init");
}

#[test]
fn functions_that_fall_on_one_name_are_both_left_out() {
    let (names, left_out) = exporting(
        r#"(instance $n (export "g" (func $f)))
        (export "a:b/c@1.0.0-x.y" (instance $n))
        (export "a:b/c@1.0.0-x+y" (instance $n))
        (export "other" (func $f))"#,
    )
    .unwrap();
    assert_eq!(names, ["other"]);
    assert_eq!(left_out.len(), 2);
    assert!(left_out[0].reason.contains("`a_b_c_1_0_0-x_y_g`"));
}

#[test]
fn a_name_that_is_too_long_is_left_out() {
    let long = "f".repeat(200);
    let (_, left_out) = exporting(&format!(
        r#"(export "{long}" (func $f)) (export "other" (func $f))"#
    ))
    .unwrap();
    assert_eq!(
        left_out[0].reason,
        "its name as a tool has 200 characters; at most 128 are allowed"
    );
}

#[test]
fn a_component_without_a_usable_function_is_refused_with_the_mend() {
    assert!(matches!(exporting(""), Err(ReflectError::NoFunctions)));
    let command =
        r#"(instance $n (export "run" (func $f))) (export "wasi:cli/run@0.2.6" (instance $n))"#;
    assert!(matches!(exporting(command), Err(ReflectError::Command)));
    let error = exporting(MAKE).unwrap_err().to_string();
    assert_eq!(
        error,
        "exports no function that can be a tool: `make`: its result has a resource handle, which JSON cannot carry"
    );
    let many = (0..=MAX_FUNCTIONS).fold(String::new(), |mut text, index| {
        _ = write!(text, "(export \"f{index}\" (func $f))");
        text
    });
    assert!(matches!(exporting(&many), Err(ReflectError::TooMuch)));
}

/// A variant with this many cases of 64 bits.
fn wide(cases: usize) -> Shape {
    let case = |index| Case {
        name: format!("c{index}"),
        payload: Some(Shape::Integer(Integer::S64)),
    };
    Shape::Variant((0..cases).map(case).collect())
}

#[test]
fn schemas_are_bounded_each_and_together() {
    let one = |cases| bounded(&schema::schema(&wide(cases), Way::In));
    assert!(one(500).is_ok());
    assert_eq!(one(900), Err(LeftOutReason::Schema));

    let mut declarations = String::new();
    let ty = text(&wide(500), &mut declarations);
    // Types of instances and components are exported in different words.
    let declarations = declarations.replace(
        r#"(export "t0" (type $t0 (eq $d0)))"#,
        r#"(export $t0 "t0" (type $d0))"#,
    );
    let exports = |count| {
        (0..count).fold(
            format!(r#"{declarations} (func $g (param "a" {ty}) (canon lift (core func $i "g")))"#),
            |mut text, index| {
                _ = write!(text, "(export \"g{index}\" (func $g))");
                text
            },
        )
    };
    assert!(exporting(&exports(20)).is_ok());
    assert!(matches!(
        exporting(&exports(60)),
        Err(ReflectError::TooMuch)
    ));
}

#[test]
fn the_words_of_an_error_are_bounded() {
    let value = Val::String("x".repeat(11));
    assert!(words(Some(&Shape::String), Some(&value), 11).is_ok());
    let error = words(Some(&Shape::String), Some(&value), 10).unwrap_err();
    assert!(error.is::<OutputExceeded>(), "{error}");
}
