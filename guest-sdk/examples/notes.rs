//! Notes that a client reads, and that go only if a person agrees.

use sandglass_sdk::{
    AskError, Elicited, Typing, elicit, export, progress, prompt, resource, schemars::JsonSchema,
    serde::Deserialize, tool, updated,
};

const NOTES: [(&str, &str); 2] = [("mail", "Answer Ada's letter."), ("milk", "Buy milk.")];

/// Rewrites a note.
#[prompt]
fn rewrite(
    /// Which note.
    #[complete(names)]
    name: String,
    /// How it is to sound.
    tone: Option<String>,
) -> Result<String, &'static str> {
    let text = note(name).ok_or("there is no such note")?;
    let tone = tone.as_deref().unwrap_or("plain");
    Ok(format!("Rewrite in a {tone} tone: {text}"))
}

/// The names of all notes.
#[resource(uri = "notes://index", mime_type = "text/plain")]
fn index() -> String {
    NOTES.map(|(name, _)| name).join("\n")
}

/// A note by its name.
#[resource(uri = "notes://note/{name}", mime_type = "text/plain")]
fn note(#[complete(names)] name: String) -> Option<&'static str> {
    let found = NOTES.iter().find(|(known, _)| *known == name);
    found.map(|(_, text)| *text)
}

fn names(typed: &Typing) -> Vec<String> {
    let names = NOTES.iter().map(|(name, _)| (*name).to_owned());
    names
        .filter(|name| name.starts_with(typed.value()))
        .collect()
}

#[derive(Deserialize, JsonSchema)]
#[serde(crate = "sandglass_sdk::serde")]
#[schemars(crate = "sandglass_sdk::schemars")]
struct Sure {
    /// Whether the note may go.
    delete: bool,
}

/// Deletes a note, if a person agrees.
#[tool]
fn delete(name: String) -> Result<String, AskError> {
    match elicit("sure", &format!("Delete {name}?"))? {
        Elicited::Accepted(Sure { delete: true }) => {}
        _ => return Ok(format!("Kept {name}")),
    }
    progress(1.0, Some(1.0), Some("deleted"));
    updated("notes://index");
    Ok(format!("Deleted {name}"))
}

export!(tools: [delete], prompts: [rewrite], resources: [index, note]);
