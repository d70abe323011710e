//! Environment, the end of the program, and the standard streams.

use wasip2::cli::{
    environment, exit, stderr, stdin, stdout, terminal_stderr, terminal_stdin, terminal_stdout,
};

use crate::{Function, each};

pub const FUNCTIONS: &[Function] = &[
    ("wasi:cli/environment#get-environment", |_| {
        each(environment::get_environment)
    }),
    ("wasi:cli/environment#get-arguments", |_| {
        each(environment::get_arguments)
    }),
    ("wasi:cli/environment#initial-cwd", |_| {
        each(environment::initial_cwd)
    }),
    ("wasi:cli/exit#exit", |_| each(|| exit::exit(Ok(())))),
    ("wasi:cli/exit#exit-with-code", |_| {
        each(|| exit::exit_with_code(1))
    }),
    ("wasi:cli/stdin#get-stdin", |_| each(stdin::get_stdin)),
    ("wasi:cli/stdout#get-stdout", |_| each(stdout::get_stdout)),
    ("wasi:cli/stderr#get-stderr", |_| each(stderr::get_stderr)),
    ("wasi:cli/terminal-stdin#get-terminal-stdin", |_| {
        each(terminal_stdin::get_terminal_stdin)
    }),
    ("wasi:cli/terminal-stdout#get-terminal-stdout", |_| {
        each(terminal_stdout::get_terminal_stdout)
    }),
    ("wasi:cli/terminal-stderr#get-terminal-stderr", |_| {
        each(terminal_stderr::get_terminal_stderr)
    }),
];
