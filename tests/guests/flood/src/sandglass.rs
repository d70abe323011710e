//! What the host offers beside WASI.

use std::slice;

use guest_support::{host, types};

use crate::bindings::sandglass::tool::{resource_updates, source};
use crate::{Function, each, text};

pub const FUNCTIONS: &[Function] = &[
    ("sandglass:tool/host#log", |size| {
        let (data, logger) = (text(size), text(size));
        each(move || host::log(types::LogLevel::Error, &data, Some(&logger)))
    }),
    ("sandglass:tool/host#log of JSON", |size| {
        let data = format!("[{}0]", "0,".repeat(size / 2));
        each(move || host::log(types::LogLevel::Error, &data, None))
    }),
    ("sandglass:tool/host#progress", |size| {
        let message = text(size);
        let mut done = 0.0;
        each(move || {
            done += 1.0;
            host::progress(done, Some(f64::MAX), Some(&message));
        })
    }),
    ("sandglass:tool/host#cancelled", |_| each(host::cancelled)),
    ("sandglass:tool/host#ask", |size| {
        let question = types::Question {
            key: text(size),
            ask: types::QuestionKind::Sample(text(size)),
        };
        each(move || host::ask(slice::from_ref(&question)))
    }),
    ("sandglass:tool/host#ask much", |size| {
        let question = types::Question {
            key: String::new(),
            ask: types::QuestionKind::ListRoots,
        };
        let questions = vec![question; size / size_of::<types::Question>() + 1];
        each(move || host::ask(&questions))
    }),
    ("sandglass:tool/resource-updates#updated", |size| {
        let uri = text(size);
        each(move || resource_updates::updated(&uri))
    }),
    ("sandglass:tool/source#bound", |_| each(source::bound)),
    ("sandglass:tool/source#keep", |size| {
        let program = vec![0; size];
        each(move || source::keep(&program))
    }),
    ("sandglass:tool/source#kept", |_| each(source::kept)),
    ("sandglass:tool/source#leave-out", |size| {
        let (function, reason) = (text(size), text(size));
        each(move || source::leave_out(&function, &reason))
    }),
];
