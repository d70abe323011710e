//! `sandglass compile-component`: the bounded process that compiles.

use sandglass_text::Line;

use super::Exit;
use crate::sandbox::compile::run_compiler;

pub fn run() -> Exit {
    match run_compiler() {
        Ok(()) => Exit::Done,
        Err(error) => {
            eprintln!("{}", Line::new(format_args!("{error:#}")));
            Exit::Failed
        }
    }
}
