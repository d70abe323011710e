//! From JSON to component values.

use serde_json::{Map, Number, Value};
use wasmtime::component::Val;

use super::shape::{Case, Field, Integer, Shape};

/// Up to here every integer is a float, and none is rounded.
const EXACT_FLOATS: f64 = 9_007_199_254_740_992.0;

/// Where and why a JSON value is not one of its type. The schema refuses most of them before.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}`: {problem}", path.join("/"))]
pub(super) struct Misfit {
    /// From the argument inwards.
    path: Vec<String>,
    problem: &'static str,
}

impl From<&'static str> for Misfit {
    fn from(problem: &'static str) -> Self {
        Self {
            path: Vec::new(),
            problem,
        }
    }
}

impl Misfit {
    fn within(mut self, name: impl ToString) -> Self {
        self.path.insert(0, name.to_string());
        self
    }
}

/// The values of these fields, in their order. A missing option is none.
pub(super) fn fields(
    fields: &[Field],
    mut object: Map<String, Value>,
) -> Result<Vec<(String, Val)>, Misfit> {
    let values = fields
        .iter()
        .map(|field| {
            let value = match object.remove(&field.name) {
                None if field.shape.is_option() => Ok(Val::Option(None)),
                None => Err("it is required".into()),
                Some(value) => lower(&field.shape, value),
            };
            let value = value.map_err(|misfit| misfit.within(&field.name))?;
            Ok((field.name.clone(), value))
        })
        .collect::<Result<_, Misfit>>()?;
    match object.keys().next() {
        None => Ok(values),
        Some(unknown) => Err(Misfit::from("there is no such field").within(unknown)),
    }
}

/// The value of a shape that a JSON value stands for.
pub(super) fn lower(shape: &Shape, value: Value) -> Result<Val, Misfit> {
    match (shape, value) {
        (Shape::Bool, Value::Bool(value)) => Ok(Val::Bool(value)),
        (Shape::Integer(integer), Value::Number(number)) => self::integer(*integer, &number)
            .ok_or_else(|| "it is out of the range of its integer type".into()),
        (Shape::F32, Value::Number(number)) => number
            .as_f64()
            .map(narrow)
            .filter(|float| float.is_finite())
            .map(Val::Float32)
            .ok_or_else(|| "it is out of the range of a 32-bit float".into()),
        (Shape::F64, Value::Number(number)) => number
            .as_f64()
            .map(Val::Float64)
            .ok_or_else(|| "it is out of the range of a 64-bit float".into()),
        (Shape::Char, Value::String(text)) => match (text.chars().next(), text.chars().nth(1)) {
            (Some(character), None) => Ok(Val::Char(character)),
            _ => Err("it must be one character".into()),
        },
        (Shape::String, Value::String(text)) => Ok(Val::String(text)),
        (Shape::List(item), Value::Array(values)) => {
            items(values.len(), |_| item, values).map(Val::List)
        }
        (Shape::Tuple(shapes), Value::Array(values)) => {
            items(shapes.len(), |index| &shapes[index], values).map(Val::Tuple)
        }
        (Shape::Record(shapes), Value::Object(object)) => fields(shapes, object).map(Val::Record),
        (Shape::Variant(cases), Value::Object(object)) => variant(cases, object),
        (Shape::Enum(names), Value::String(name)) => {
            if names.contains(&name) {
                Ok(Val::Enum(name))
            } else {
                Err("there is no such case".into())
            }
        }
        (Shape::Flags(names), Value::Object(object)) => flags(names, &object),
        (Shape::Option(_), Value::Null) => Ok(Val::Option(None)),
        (Shape::Option(some), value) => {
            let value = if some.is_option() {
                only("some", value)?
            } else {
                value
            };
            Ok(Val::Option(Some(Box::new(lower(some, value)?))))
        }
        (Shape::Result { ok, err }, Value::Object(object)) => {
            if object.contains_key("ok") {
                let value = only("ok", Value::Object(object))?;
                payload(ok.as_deref(), value, "ok").map(|value| Val::Result(Ok(value)))
            } else {
                let value = only("err", Value::Object(object))?;
                payload(err.as_deref(), value, "err").map(|value| Val::Result(Err(value)))
            }
        }
        _ => Err("it has the wrong JSON type".into()),
    }
}

fn integer(integer: Integer, number: &Number) -> Option<Val> {
    let value: i128 = match (number.as_u64(), number.as_i64()) {
        (Some(value), _) => value.into(),
        (_, Some(value)) => value.into(),
        // `1.0` is an integer to JSON Schema (2020-12 core, 4.2.2).
        _ => {
            let float = number.as_f64()?;
            if float.fract() != 0.0 || float.abs() > EXACT_FLOATS {
                return None;
            }
            #[allow(clippy::cast_possible_truncation, reason = "integral and below 2^53")]
            let value = float as i128;
            value
        }
    };
    match integer {
        Integer::U8 => value.try_into().ok().map(Val::U8),
        Integer::U16 => value.try_into().ok().map(Val::U16),
        Integer::U32 => value.try_into().ok().map(Val::U32),
        Integer::U64 => value.try_into().ok().map(Val::U64),
        Integer::S8 => value.try_into().ok().map(Val::S8),
        Integer::S16 => value.try_into().ok().map(Val::S16),
        Integer::S32 => value.try_into().ok().map(Val::S32),
        Integer::S64 => value.try_into().ok().map(Val::S64),
    }
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "to the nearest, as the type says; the caller refuses infinity"
)]
fn narrow(float: f64) -> f32 {
    float as f32
}

fn items<'a>(
    count: usize,
    shape: impl Fn(usize) -> &'a Shape,
    values: Vec<Value>,
) -> Result<Vec<Val>, Misfit> {
    if values.len() != count {
        return Err("it has the wrong number of items".into());
    }
    values
        .into_iter()
        .enumerate()
        .map(|(index, value)| lower(shape(index), value).map_err(|misfit| misfit.within(index)))
        .collect()
}

fn variant(cases: &[Case], mut object: Map<String, Value>) -> Result<Val, Misfit> {
    let Some(Value::String(tag)) = object.remove("tag") else {
        return Err(Misfit::from("it must name a case").within("tag"));
    };
    let case = cases
        .iter()
        .find(|case| case.name == tag)
        .ok_or_else(|| Misfit::from("there is no such case").within("tag"))?;
    let value = match &case.payload {
        None if object.is_empty() => None,
        None => return Err("this case has no `val`".into()),
        Some(shape) => {
            let value = only("val", Value::Object(object))?;
            let value = lower(shape, value).map_err(|misfit| misfit.within("val"))?;
            Some(Box::new(value))
        }
    };
    Ok(Val::Variant(tag, value))
}

fn flags(names: &[String], object: &Map<String, Value>) -> Result<Val, Misfit> {
    let stranger = object
        .iter()
        .find(|(name, value)| !names.contains(name) || !value.is_boolean());
    if let Some((name, _)) = stranger {
        return Err(Misfit::from("it must be true or false, for a flag of this type").within(name));
    }
    let is_set = |name: &&String| object.get(*name) == Some(&Value::Bool(true));
    Ok(Val::Flags(names.iter().filter(is_set).cloned().collect()))
}

fn payload(shape: Option<&Shape>, value: Value, name: &str) -> Result<Option<Box<Val>>, Misfit> {
    match (shape, value) {
        (None, Value::Null) => Ok(None),
        (None, _) => Err(Misfit::from("it must be null").within(name)),
        (Some(shape), value) => lower(shape, value)
            .map(|value| Some(Box::new(value)))
            .map_err(|misfit| misfit.within(name)),
    }
}

/// The value of an object's only field.
fn only(name: &'static str, value: Value) -> Result<Value, Misfit> {
    if let Value::Object(mut object) = value
        && object.len() == 1
        && let Some(value) = object.remove(name)
    {
        return Ok(value);
    }
    Err(Misfit::from("the object must have this field and no other").within(name))
}
