//! The JavaScript engine of an instance.

use rquickjs::{CatchResultExt, CaughtError, Context, Ctx, Module, Runtime, Value};

use crate::{globals, waits};

/// Bytes that may be in use before cycles are looked for. A snapshot has some 400 KiB in use, and looking at all of it
/// costs more than most calls allocate.
const COLLECT_FROM: usize = 8 << 20;

/// An engine with its globals.
pub struct Engine {
    context: Context,
}

/// What JavaScript threw, or what is wrong with it.
#[derive(Debug, PartialEq)]
pub struct Thrown {
    /// The error's message, or the value itself.
    pub message: String,
    /// Where: one line for each function.
    pub stack: Option<String>,
}

/// What QuickJS throws where the host gives no more memory.
const OUT_OF_MEMORY: &str = "out of memory";

impl Engine {
    /// Makes an engine.
    #[expect(clippy::new_without_default, reason = "it is work, and not a value")]
    pub fn new() -> Self {
        let runtime = Runtime::new().expect("there is memory for an engine");
        let context = Context::full(&runtime).expect("there is memory for a context");
        context.with(|ctx| {
            globals::define(&ctx)
                .catch(&ctx)
                .expect("the globals are right")
        });
        runtime.run_gc();
        runtime.set_gc_threshold(COLLECT_FROM);
        Self { context }
    }

    /// Runs something in it.
    pub fn with<T>(
        &self,
        run: impl for<'js> FnOnce(&Ctx<'js>) -> Result<T, Thrown>,
    ) -> Result<T, Thrown> {
        self.context.with(|ctx| run(&ctx))
    }
}

/// Runs it, and catches what is thrown.
pub fn caught<'js, T>(
    ctx: &Ctx<'js>,
    run: impl FnOnce() -> rquickjs::Result<T>,
) -> Result<T, Thrown> {
    run().catch(ctx).map_err(Thrown::of)
}

/// Runs what returns a value, waits for it where it is a promise, and catches what is thrown.
pub fn settle<'js>(
    ctx: &Ctx<'js>,
    run: impl FnOnce() -> rquickjs::Result<Value<'js>>,
) -> Result<Value<'js>, Thrown> {
    let value = caught(ctx, run)?;
    let Some(promise) = value.as_promise() else {
        return Ok(value);
    };
    loop {
        while ctx.execute_pending_job() {}
        if let Some(settled) = promise.result() {
            return caught(ctx, || settled);
        }
        if !caught(ctx, || waits::finish_next(ctx))? {
            return Err(Thrown {
                message: "it waits for a promise that nothing will ever settle".to_owned(),
                stack: None,
            });
        }
    }
}

/// Runs the module's own statements.
pub fn evaluate<'js>(
    ctx: &Ctx<'js>,
    module: Module<'js>,
) -> Result<Module<'js, rquickjs::module::Evaluated>, Thrown> {
    let (module, promise) = caught(ctx, || module.eval())?;
    settle(ctx, || Ok(promise.into_value()))?;
    Ok(module)
}

impl Thrown {
    /// Whether the host gave no more memory.
    pub fn is_out_of_memory(&self) -> bool {
        self.message == OUT_OF_MEMORY
    }

    /// What the module's own statements threw, with the line of the text where they did.
    pub fn at_load(&self, name: &str) -> String {
        let place = format!("{name}:");
        let line = self.stack.as_deref().and_then(|stack| {
            let rest = stack.split_once(&place)?.1;
            rest.split(|c: char| !c.is_ascii_digit()).next()
        });
        match line {
            None => format!("{name}: {}", self.message),
            Some(line) => format!("{name}, line {line}: {}", self.message),
        }
    }

    /// What was caught, in words.
    pub fn of(caught: CaughtError<'_>) -> Self {
        match caught {
            CaughtError::Exception(error) => Self {
                message: error
                    .message()
                    .filter(|message| !message.is_empty())
                    .or_else(|| error.as_object().get("name").ok())
                    .unwrap_or_else(|| "an error without a message".to_owned()),
                stack: error.stack().filter(|stack| !stack.is_empty()),
            },
            CaughtError::Value(value) => Self {
                message: text_of(&value),
                stack: None,
            },
            CaughtError::Error(error) => Self {
                message: error.to_string(),
                stack: None,
            },
        }
    }
}

/// A value that was thrown and is no error.
fn text_of(value: &Value<'_>) -> String {
    if let Some(text) = value.as_string() {
        return text.to_string().unwrap_or_default();
    }
    match value.ctx().json_stringify(value.clone()) {
        Ok(Some(json)) => json.to_string().unwrap_or_default(),
        _ => format!("a value of the type {}", value.type_name()),
    }
}
