//! HTTP messages between JavaScript and the host.

use rquickjs::{Array, Ctx, Object, TypedArray};

/// A request.
#[cfg_attr(
    not(target_family = "wasm"),
    expect(dead_code, reason = "there is no network outside a component")
)]
#[derive(Debug)]
pub struct Request {
    /// In capitals, for the methods that HTTP itself has.
    pub method: String,
    /// With scheme and host.
    pub url: String,
    /// In the order in which they were set.
    pub headers: Vec<(String, String)>,
    /// Empty where there is none.
    pub body: Vec<u8>,
}

/// A response, read to its end.
#[derive(Debug)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// Values that are no UTF-8 are read as well as may be.
    pub headers: Vec<(String, String)>,
    /// The bytes as they came.
    pub body: Vec<u8>,
}

impl Response {
    /// As `prelude.js` takes it.
    pub fn into_value<'js>(self, ctx: &Ctx<'js>) -> rquickjs::Result<Object<'js>> {
        let headers = Array::new(ctx.clone())?;
        for (index, (name, value)) in self.headers.into_iter().enumerate() {
            headers.set(index, vec![name, value])?;
        }
        let object = Object::new(ctx.clone())?;
        object.set("status", self.status)?;
        object.set("headers", headers)?;
        object.set("body", TypedArray::<u8>::new(ctx.clone(), self.body)?)?;
        Ok(object)
    }
}
