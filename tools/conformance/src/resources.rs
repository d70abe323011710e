//! Resources.

use sandglass_sdk::{Typing, resource, serde_json::json};

use crate::content::PIXEL;

/// A text that never changes.
#[resource(uri = "test://static-text", mime_type = "text/plain")]
pub fn static_text() -> &'static str {
    "This is the content of the static text resource."
}

/// An image that never changes.
#[resource(uri = "test://static-binary", mime_type = "image/png")]
pub fn static_binary() -> Vec<u8> {
    PIXEL.to_vec()
}

/// A text that clients can watch.
#[resource(uri = "test://watched-resource", mime_type = "text/plain")]
pub fn watched() -> &'static str {
    "This is the content of the watched resource."
}

/// Data by its id.
#[resource(uri = "test://template/{id}/data", mime_type = "application/json")]
pub fn template(#[complete(ids)] id: String) -> String {
    json!({"id": id, "templateTest": true, "data": format!("Data for ID: {id}")}).to_string()
}

fn ids(typing: &Typing) -> Vec<String> {
    let ids = ["1", "12", "123"].into_iter();
    ids.filter(|id| id.starts_with(typing.value()))
        .map(str::to_owned)
        .collect()
}
