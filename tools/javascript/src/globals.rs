//! What JavaScript finds beside the language itself: `prelude.js`, and the functions of the host behind it.

use std::{cell::Cell, time::Duration};

use rquickjs::{Ctx, Exception, Function, Object, TypedArray, Value};

use crate::host::{self, Level, Request};
use crate::waits::{self, Waits};

/// A function that takes the host's functions and defines the globals.
const PRELUDE: &str = include_str!("prelude.js");

/// Defines the globals.
pub fn define(ctx: &Ctx<'_>) -> rquickjs::Result<()> {
    drop(ctx.store_userdata(Waits::default()));
    let host = Object::new(ctx.clone())?;
    host.set("log", Function::new(ctx.clone(), log)?)?;
    host.set("environment", Function::new(ctx.clone(), environment)?)?;
    host.set("random", Function::new(ctx.clone(), random())?)?;
    host.set("randomBytes", Function::new(ctx.clone(), random_bytes)?)?;
    host.set("encode", Function::new(ctx.clone(), encode)?)?;
    host.set("decode", Function::new(ctx.clone(), decode)?)?;
    host.set("sleep", Function::new(ctx.clone(), sleep)?)?;
    host.set("send", Function::new(ctx.clone(), send)?)?;
    let prelude: Function<'_> = ctx.eval(PRELUDE)?;
    prelude.call((host,))
}

fn log(level: String, text: String) {
    let level = match level.as_str() {
        "debug" => Level::Debug,
        "warn" => Level::Warning,
        "error" => Level::Error,
        _ => Level::Info,
    };
    host::log(level, &text);
}

fn environment<'js>(ctx: Ctx<'js>) -> rquickjs::Result<Object<'js>> {
    let object = Object::new(ctx)?;
    for (name, value) in host::environment() {
        object.set(name, value)?;
    }
    Ok(object)
}

/// `Math.random`: the engine's own has its seed in the snapshot, and would give the same numbers in each call.
fn random() -> impl Fn() -> f64 {
    let state = Cell::new(0_u64);
    move || {
        // xorshift64*, seeded by the host at the first number; zero is no state that it can have.
        let mut x = state.get();
        while x == 0 {
            x = host::random();
        }
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        state.set(x);
        let bits = x.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11;
        bits as f64 / (1_u64 << 53) as f64
    }
}

fn random_bytes<'js>(ctx: Ctx<'js>, count: usize) -> rquickjs::Result<TypedArray<'js, u8>> {
    let mut bytes = Vec::with_capacity(count + 8);
    while bytes.len() < count {
        bytes.extend(host::random().to_le_bytes());
    }
    bytes.truncate(count);
    TypedArray::new(ctx, bytes)
}

fn encode<'js>(ctx: Ctx<'js>, text: String) -> rquickjs::Result<TypedArray<'js, u8>> {
    TypedArray::new(ctx, text.into_bytes())
}

/// UTF-8 as text; none where it is not UTF-8 and `strict`.
fn decode(bytes: TypedArray<'_, u8>, strict: bool) -> Option<String> {
    match String::from_utf8(copied(&bytes)) {
        Ok(text) => Some(text),
        Err(_) if strict => None,
        Err(error) => Some(String::from_utf8_lossy(error.as_bytes()).into_owned()),
    }
}

fn copied(bytes: &TypedArray<'_, u8>) -> Vec<u8> {
    // SAFETY: no JavaScript runs while the bytes are copied.
    unsafe { bytes.as_bytes() }
        .map(<[u8]>::to_vec)
        .unwrap_or_default()
}

fn sleep<'js>(ctx: Ctx<'js>, milliseconds: f64) -> rquickjs::Result<Value<'js>> {
    let time = Duration::try_from_secs_f64(milliseconds.max(0.0) / 1000.0).unwrap_or(Duration::MAX);
    Ok(waits::start(&ctx, host::sleep(time))?.into_value())
}

fn send<'js>(
    ctx: Ctx<'js>,
    method: String,
    url: String,
    headers: Vec<Vec<String>>,
    body: Option<TypedArray<'js, u8>>,
) -> rquickjs::Result<Value<'js>> {
    let request = Request {
        method,
        url,
        headers: headers
            .into_iter()
            .filter_map(|pair| <[String; 2]>::try_from(pair).ok())
            .map(|[name, value]| (name, value))
            .collect(),
        body: body.as_ref().map(copied).unwrap_or_default(),
    };
    let pending = host::send(&request).map_err(|problem| Exception::throw_type(&ctx, &problem))?;
    Ok(waits::start(&ctx, pending)?.into_value())
}
