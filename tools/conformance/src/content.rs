//! Content of all types.

use sandglass_sdk::{Content, ResourceContents, tool};

/// A picture of one red pixel (PNG).
pub const PIXEL: &[u8] = &[
    137, 80, 78, 71, 13, 10, 26, 10, 0, 0, 0, 13, 73, 72, 68, 82, 0, 0, 0, 1, 0, 0, 0, 1, 8, 2, 0,
    0, 0, 144, 119, 83, 222, 0, 0, 0, 12, 73, 68, 65, 84, 120, 218, 99, 248, 207, 192, 0, 0, 3, 1,
    1, 0, 247, 3, 65, 67, 0, 0, 0, 0, 73, 69, 78, 68, 174, 66, 96, 130,
];

/// One sample of silence (WAV, 8 kHz, 8 bits, mono).
const SILENCE: &[u8] = &[
    82, 73, 70, 70, 37, 0, 0, 0, 87, 65, 86, 69, 102, 109, 116, 32, 16, 0, 0, 0, 1, 0, 1, 0, 64,
    31, 0, 0, 64, 31, 0, 0, 1, 0, 8, 0, 100, 97, 116, 97, 1, 0, 0, 0, 128,
];

/// Returns a simple text.
#[tool]
pub fn test_simple_text() -> Content {
    Content::text("This is a simple text response for testing.")
}

/// Returns an image.
#[tool]
pub fn test_image_content() -> Content {
    Content::image(PIXEL, "image/png")
}

/// Returns a sound.
#[tool]
pub fn test_audio_content() -> Content {
    Content::audio(SILENCE, "audio/wav")
}

/// Returns an embedded resource.
#[tool]
pub fn test_embedded_resource() -> Content {
    let text = "This is an embedded resource content.";
    let resource = ResourceContents::text("test://embedded-resource", text);
    Content::resource(resource.with_mime_type("text/plain"))
}

/// Returns a text, an image and a resource.
#[tool]
pub fn test_multiple_content_types() -> Vec<Content> {
    let json = r#"{"test":"data","value":123}"#;
    let resource = ResourceContents::text("test://mixed-content-resource", json);
    vec![
        Content::text("Multiple content types test:"),
        Content::image(PIXEL, "image/png"),
        Content::resource(resource.with_mime_type("application/json")),
    ]
}

/// Always fails.
#[tool]
pub fn test_error_handling() -> Result<Content, &'static str> {
    Err("This tool intentionally returns an error for testing")
}
