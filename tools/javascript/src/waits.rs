//! Promises that the host settles: timers and HTTP requests. Any number of them wait at once.

use std::cell::RefCell;

use rquickjs::{Ctx, Function, JsLifetime, Persistent, Promise, Value};

use crate::host::{self, Pending};

/// Those of an engine, in the order in which they were started.
#[derive(Default)]
pub struct Waits(RefCell<Vec<Wait>>);

struct Wait {
    pending: Pending,
    resolve: Persistent<Function<'static>>,
    reject: Persistent<Function<'static>>,
}

// SAFETY: nothing in it has the lifetime: functions are persistent.
unsafe impl JsLifetime<'_> for Waits {
    type Changed<'to> = Waits;
}

/// A promise that is settled once the host is done.
pub fn start<'js>(ctx: &Ctx<'js>, pending: Pending) -> rquickjs::Result<Promise<'js>> {
    let (promise, resolve, reject) = ctx.promise()?;
    let wait = Wait {
        pending,
        resolve: Persistent::save(ctx, resolve),
        reject: Persistent::save(ctx, reject),
    };
    if let Some(waits) = ctx.userdata::<Waits>() {
        waits.0.borrow_mut().push(wait);
    }
    Ok(promise)
}

/// Waits until one of them is done and settles its promise; false where there is none.
pub fn finish_next(ctx: &Ctx<'_>) -> rquickjs::Result<bool> {
    let Some(waits) = ctx.userdata::<Waits>() else {
        return Ok(false);
    };
    let wait = {
        let mut waits = waits.0.borrow_mut();
        let pending: Vec<&Pending> = waits.iter().map(|wait| &wait.pending).collect();
        match host::first_ready(&pending) {
            None => return Ok(false),
            Some(index) => waits.remove(index),
        }
    };
    match wait.pending.finish() {
        Ok(done) => {
            let value = done.map(|response| response.into_value(ctx)).transpose()?;
            wait.resolve.restore(ctx)?.call::<_, Value<'_>>((value,))?;
        }
        Err(problem) => {
            wait.reject.restore(ctx)?.call::<_, Value<'_>>((problem,))?;
        }
    }
    Ok(true)
}
