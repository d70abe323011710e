//! Component types as trees that are bounded and have a JSON form.

use wasmtime::component::Type;

/// Levels of types within types; each is at most two levels of JSON, whose parsers stop at 128.
const MAX_DEPTH: usize = 32;

/// What the types of one function may weigh: [`WEIGHT`] for each type in it, and its names.
const MAX_WEIGHT: usize = 64 << 10;

/// Of one type beside its names.
const WEIGHT: usize = 32;

/// A type that values can be converted from and to JSON by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shape {
    Bool,
    Integer(Integer),
    F32,
    F64,
    Char,
    String,
    List(Box<Shape>),
    Tuple(Vec<Shape>),
    Record(Vec<Field>),
    Variant(Vec<Case>),
    Enum(Vec<String>),
    Flags(Vec<String>),
    Option(Box<Shape>),
    Result {
        ok: Option<Box<Shape>>,
        err: Option<Box<Shape>>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Integer {
    U8,
    U16,
    U32,
    U64,
    S8,
    S16,
    S32,
    S64,
}

/// A field of a record, or a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) shape: Shape,
}

/// A case of a variant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) payload: Option<Shape>,
}

/// Why a type has no shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoShape {
    #[error("a resource handle, which JSON cannot carry")]
    Resource,
    #[error("a stream, future or error context, which JSON cannot carry")]
    Async,
    #[error("a map or list of fixed length, which this host does not support yet")]
    Draft,
    #[error("types nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    #[error("a type that is too large when it is written out")]
    TooLarge,
}

/// What is left for the types of one function.
///
/// Types share their parts: a few hundred bytes of them can be written out as trees without end.
pub(super) struct Budget {
    weight: usize,
    depth: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            weight: MAX_WEIGHT,
            depth: MAX_DEPTH,
        }
    }
}

impl Budget {
    fn spend(&mut self, weight: usize) -> Result<(), NoShape> {
        self.weight = self.weight.checked_sub(weight).ok_or(NoShape::TooLarge)?;
        Ok(())
    }

    fn name(&mut self, name: &str) -> Result<String, NoShape> {
        self.spend(WEIGHT + name.len())?;
        Ok(name.to_owned())
    }

    fn names<'a>(&mut self, names: impl Iterator<Item = &'a str>) -> Result<Vec<String>, NoShape> {
        names.map(|name| self.name(name)).collect()
    }

    pub(super) fn field(&mut self, name: &str, ty: &Type) -> Result<Field, NoShape> {
        Ok(Field {
            name: self.name(name)?,
            shape: self.shape(ty)?,
        })
    }

    /// The shape of a type.
    pub(super) fn shape(&mut self, ty: &Type) -> Result<Shape, NoShape> {
        self.spend(WEIGHT)?;
        self.depth = self.depth.checked_sub(1).ok_or(NoShape::TooDeep)?;
        let shape = self.of(ty);
        self.depth += 1;
        shape
    }

    fn boxed(&mut self, ty: &Type) -> Result<Box<Shape>, NoShape> {
        self.shape(ty).map(Box::new)
    }

    fn of(&mut self, ty: &Type) -> Result<Shape, NoShape> {
        Ok(match ty {
            Type::Bool => Shape::Bool,
            Type::U8 => Shape::Integer(Integer::U8),
            Type::U16 => Shape::Integer(Integer::U16),
            Type::U32 => Shape::Integer(Integer::U32),
            Type::U64 => Shape::Integer(Integer::U64),
            Type::S8 => Shape::Integer(Integer::S8),
            Type::S16 => Shape::Integer(Integer::S16),
            Type::S32 => Shape::Integer(Integer::S32),
            Type::S64 => Shape::Integer(Integer::S64),
            Type::Float32 => Shape::F32,
            Type::Float64 => Shape::F64,
            Type::Char => Shape::Char,
            Type::String => Shape::String,
            Type::List(list) => Shape::List(self.boxed(&list.ty())?),
            Type::Tuple(tuple) => Shape::Tuple(
                tuple
                    .types()
                    .map(|ty| self.shape(&ty))
                    .collect::<Result<_, _>>()?,
            ),
            Type::Record(record) => Shape::Record(
                record
                    .fields()
                    .map(|field| self.field(field.name, &field.ty))
                    .collect::<Result<_, _>>()?,
            ),
            Type::Variant(variant) => Shape::Variant(
                variant
                    .cases()
                    .map(|case| {
                        Ok(Case {
                            name: self.name(case.name)?,
                            payload: case.ty.map(|ty| self.shape(&ty)).transpose()?,
                        })
                    })
                    .collect::<Result<_, _>>()?,
            ),
            Type::Enum(cases) => Shape::Enum(self.names(cases.names())?),
            Type::Flags(flags) => Shape::Flags(self.names(flags.names())?),
            Type::Option(option) => Shape::Option(self.boxed(&option.ty())?),
            Type::Result(result) => Shape::Result {
                ok: result.ok().map(|ty| self.boxed(&ty)).transpose()?,
                err: result.err().map(|ty| self.boxed(&ty)).transpose()?,
            },
            Type::Own(_) | Type::Borrow(_) => return Err(NoShape::Resource),
            Type::Future(_) | Type::Stream(_) | Type::ErrorContext => return Err(NoShape::Async),
            Type::Map(_) | Type::FixedLengthList(_) => return Err(NoShape::Draft),
        })
    }
}

impl Shape {
    pub(super) fn is_option(&self) -> bool {
        matches!(self, Self::Option(_))
    }
}

impl Integer {
    /// The smallest and the largest.
    pub(super) fn range(self) -> (i64, u64) {
        match self {
            Self::U8 => (0, u8::MAX.into()),
            Self::U16 => (0, u16::MAX.into()),
            Self::U32 => (0, u32::MAX.into()),
            Self::U64 => (0, u64::MAX),
            Self::S8 => (i8::MIN.into(), i8::MAX.unsigned_abs().into()),
            Self::S16 => (i16::MIN.into(), i16::MAX.unsigned_abs().into()),
            Self::S32 => (i32::MIN.into(), i32::MAX.unsigned_abs().into()),
            Self::S64 => (i64::MIN, i64::MAX.unsigned_abs()),
        }
    }
}
