//! Tools that may go on as tasks.

use std::{thread::sleep, time::Duration};

use sandglass_sdk::{
    Answer, AskError, Content, InputRequired, Resumed, ask, progress, resumed, serde_json::json,
    tool,
};

use crate::questions::{form, words};

/// Greets.
#[tool]
pub fn greet(name: String) -> Content {
    Content::text(format!("Hello, {name}!"))
}

/// Computes for some seconds.
#[tool(task = "optional")]
pub fn slow_compute(seconds: f64, label: Option<String>) -> Content {
    let tenths = (seconds * 10.0) as u32;
    for tenth in 0..tenths {
        progress(f64::from(tenth), Some(f64::from(tenths)), None);
        sleep(Duration::from_millis(100));
    }
    let label = label.unwrap_or_default();
    Content::text(format!("Computed {label} for {seconds} s"))
}

/// Fails after a second.
#[tool(task = "required")]
pub fn failing_job() -> Result<Content, &'static str> {
    sleep(Duration::from_secs(1));
    Err("The job failed")
}

/// Crashes.
#[tool(task = "optional")]
pub fn protocol_error_job() -> Content {
    sleep(Duration::from_millis(300));
    panic!("the job crashed")
}

/// Asks before it deletes.
#[tool(task = "optional")]
pub fn confirm_delete(filename: Option<String>) -> Result<Content, AskError> {
    let filename = filename.unwrap_or_default();
    let schema = json!({
        "type": "object",
        "properties": {"confirm": {"type": "boolean"}},
        "required": [],
    });
    let answers = ask(&[form("confirm", &format!("Delete {filename}?"), &schema)])?;
    Ok(Content::text(format!("{filename}: {}", words(&answers))))
}

/// Asks two things at once.
#[tool(task = "optional")]
pub fn multi_input() -> Result<Content, AskError> {
    let text = json!({
        "type": "object",
        "properties": {"name": {"type": "string"}, "confirm": {"type": "boolean"}},
        "required": ["name"],
    });
    let answers = ask(&[
        form("first", "The first?", &text),
        form("second", "The second?", &text),
    ])?;
    Ok(Content::text(words(&answers)))
}

/// Asks first, then goes on as a task.
#[tool(task = "required")]
pub fn test_tool_with_task() -> Result<Content, InputRequired> {
    let Some(Resumed { answers, .. }) = resumed() else {
        let name = json!({
            "type": "object",
            "properties": {"name": {"type": "string"}},
            "required": ["name"],
        });
        let question = form("user_name", "What is your name?", &name);
        return Err(InputRequired::new(vec![question], None));
    };
    sleep(Duration::from_millis(500));
    Ok(Content::text(greeting(&answers)))
}

fn greeting(answers: &[Answer]) -> String {
    format!("Done for {}", words(answers))
}
