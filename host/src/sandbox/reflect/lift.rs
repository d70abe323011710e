//! From component values to JSON text.

use std::io::{self, Write};

use serde::ser::{Error as _, SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use wasmtime::component::Val;

use super::shape::Shape;
use crate::sandbox::fault::OutputExceeded;

/// Writes a value as JSON text, at most `limit` bytes: a few bytes of a guest's memory (flags, say) can be
/// kilobytes of JSON.
pub(super) fn text(shape: &Shape, value: &Val, limit: u64) -> wasmtime::Result<String> {
    let mut text = Bounded {
        bytes: Vec::new(),
        limit: usize::try_from(limit).unwrap_or(usize::MAX),
    };
    serde_json::to_writer(&mut text, &Json { shape, value }).map_err(|error| {
        if error.is_io() {
            OutputExceeded.into()
        } else {
            wasmtime::Error::new(error)
        }
    })?;
    Ok(String::from_utf8(text.bytes).expect("serde_json writes UTF-8"))
}

struct Bounded {
    bytes: Vec<u8>,
    limit: usize,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.limit - self.bytes.len() {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A value in its JSON form.
struct Json<'a> {
    shape: &'a Shape,
    value: &'a Val,
}

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match (self.shape, self.value) {
            (Shape::Bool, Val::Bool(value)) => serializer.serialize_bool(*value),
            (Shape::Integer(_), value) => integer(value, serializer),
            (Shape::F32, Val::Float32(value)) => match odd(f64::from(*value)) {
                Some(name) => serializer.serialize_str(name),
                None => serializer.serialize_f32(*value),
            },
            (Shape::F64, Val::Float64(value)) => match odd(*value) {
                Some(name) => serializer.serialize_str(name),
                None => serializer.serialize_f64(*value),
            },
            (Shape::Char, Val::Char(value)) => serializer.serialize_char(*value),
            (Shape::String, Val::String(value)) => serializer.serialize_str(value),
            (Shape::List(shape), Val::List(values)) => {
                serializer.collect_seq(values.iter().map(|value| Json { shape, value }))
            }
            (Shape::Tuple(shapes), Val::Tuple(values)) => {
                let mut items = serializer.serialize_seq(Some(values.len()))?;
                for (shape, value) in shapes.iter().zip(values) {
                    items.serialize_element(&Json { shape, value })?;
                }
                items.end()
            }
            (Shape::Record(fields), Val::Record(values)) => {
                let mut object = serializer.serialize_map(Some(fields.len()))?;
                for (field, (_, value)) in fields.iter().zip(values) {
                    let shape = &field.shape;
                    object.serialize_entry(&field.name, &Json { shape, value })?;
                }
                object.end()
            }
            (Shape::Variant(cases), Val::Variant(tag, payload)) => {
                let mut object = serializer.serialize_map(None)?;
                object.serialize_entry("tag", tag)?;
                let case = cases.iter().find(|case| case.name == *tag);
                if let (Some(shape), Some(value)) =
                    (case.and_then(|case| case.payload.as_ref()), payload)
                {
                    object.serialize_entry("val", &Json { shape, value })?;
                }
                object.end()
            }
            (Shape::Enum(_), Val::Enum(name)) => serializer.serialize_str(name),
            (Shape::Flags(names), Val::Flags(set)) => {
                serializer.collect_map(names.iter().map(|name| (name, set.contains(name))))
            }
            (Shape::Option(_), Val::Option(None)) => serializer.serialize_unit(),
            (Shape::Option(shape), Val::Option(Some(value))) => {
                let inner = Json { shape, value };
                if shape.is_option() {
                    serializer.collect_map([("some", inner)])
                } else {
                    inner.serialize(serializer)
                }
            }
            (Shape::Result { ok, err }, Val::Result(result)) => {
                let (name, shape, value) = match result {
                    Ok(value) => ("ok", ok, value),
                    Err(value) => ("err", err, value),
                };
                let payload = match (shape, value) {
                    (Some(shape), Some(value)) => Some(Json { shape, value }),
                    _ => None,
                };
                serializer.collect_map([(name, payload)])
            }
            _ => Err(S::Error::custom("a value that is not of its type")),
        }
    }
}

fn integer<S: Serializer>(value: &Val, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Val::U8(value) => serializer.serialize_u8(*value),
        Val::U16(value) => serializer.serialize_u16(*value),
        Val::U32(value) => serializer.serialize_u32(*value),
        Val::U64(value) => serializer.serialize_u64(*value),
        Val::S8(value) => serializer.serialize_i8(*value),
        Val::S16(value) => serializer.serialize_i16(*value),
        Val::S32(value) => serializer.serialize_i32(*value),
        Val::S64(value) => serializer.serialize_i64(*value),
        _ => Err(S::Error::custom("a value that is no integer")),
    }
}

/// The name of a float that JSON has no number for.
fn odd(float: f64) -> Option<&'static str> {
    if float.is_nan() {
        Some("NaN")
    } else if float.is_infinite() {
        Some(if float > 0.0 { "Infinity" } else { "-Infinity" })
    } else {
        None
    }
}
