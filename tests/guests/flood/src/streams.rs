//! Streams: a file's where a folder is granted, and the standard ones.

use wasip2::cli::stdin::get_stdin;
use wasip2::cli::stdout::get_stdout;
use wasip2::io::streams::{InputStream, OutputStream, StreamError};

use crate::filesystem::{scratch, zeros};
use crate::{Function, Round, each};

/// As much as one blocking write takes.
const BLOCKING: usize = 4_096;

pub const FUNCTIONS: &[Function] = &[
    ("wasi:io/streams#[method]input-stream.read", |_| {
        input(|stream| stream.read(u64::MAX))
    }),
    ("wasi:io/streams#[method]input-stream.blocking-read", |_| {
        input(|stream| stream.blocking_read(u64::MAX))
    }),
    ("wasi:io/streams#[method]input-stream.skip", |_| {
        input(|stream| stream.skip(u64::MAX))
    }),
    ("wasi:io/streams#[method]input-stream.blocking-skip", |_| {
        input(|stream| stream.blocking_skip(u64::MAX))
    }),
    ("wasi:io/streams#[method]input-stream.subscribe", |_| {
        input(|stream| Ok(stream.subscribe()))
    }),
    ("wasi:io/streams#[method]output-stream.check-write", |_| {
        let stream = get_stdout();
        each(move || stream.check_write())
    }),
    ("wasi:io/streams#[method]output-stream.write", |size| {
        let (stream, bytes) = (get_stdout(), vec![b'x'; size]);
        each(move || write(&stream, &bytes))
    }),
    (
        "wasi:io/streams#[method]output-stream.write lines",
        |size| {
            let (stream, bytes) = (get_stdout(), vec![b'\n'; size]);
            each(move || write(&stream, &bytes))
        },
    ),
    (
        "wasi:io/streams#[method]output-stream.write to a file",
        |size| {
            let bytes = vec![b'x'; size];
            to_file("output-stream.write", move |stream| write(stream, &bytes))
        },
    ),
    (
        "wasi:io/streams#[method]output-stream.blocking-write-and-flush",
        |size| {
            let (stream, bytes) = (get_stdout(), vec![b'x'; size.min(BLOCKING)]);
            each(move || stream.blocking_write_and_flush(&bytes))
        },
    ),
    (
        "wasi:io/streams#[method]output-stream.blocking-write-and-flush to a file",
        |size| {
            let bytes = vec![b'x'; size.min(BLOCKING)];
            to_file("output-stream.blocking-write-and-flush", move |stream| {
                stream.blocking_write_and_flush(&bytes)
            })
        },
    ),
    ("wasi:io/streams#[method]output-stream.flush", |_| {
        let stream = get_stdout();
        each(move || stream.flush())
    }),
    (
        "wasi:io/streams#[method]output-stream.blocking-flush",
        |_| {
            let stream = get_stdout();
            each(move || stream.blocking_flush())
        },
    ),
    ("wasi:io/streams#[method]output-stream.subscribe", |_| {
        let stream = get_stdout();
        each(move || stream.subscribe())
    }),
    ("wasi:io/streams#[method]output-stream.write-zeroes", |_| {
        let stream = get_stdout();
        each(move || stream.write_zeroes(stream.check_write()?))
    }),
    (
        "wasi:io/streams#[method]output-stream.write-zeroes to a file",
        |_| {
            to_file("output-stream.write-zeroes", |stream| {
                stream.write_zeroes(stream.check_write()?)
            })
        },
    ),
    (
        "wasi:io/streams#[method]output-stream.blocking-write-zeroes-and-flush",
        |_| {
            let stream = get_stdout();
            each(move || stream.blocking_write_zeroes_and_flush(BLOCKING as u64))
        },
    ),
    (
        "wasi:io/streams#[method]output-stream.blocking-write-zeroes-and-flush to a file",
        |_| {
            to_file("output-stream.blocking-write-zeroes-and-flush", |stream| {
                stream.blocking_write_zeroes_and_flush(BLOCKING as u64)
            })
        },
    ),
    ("wasi:io/streams#[method]output-stream.splice", |_| {
        let stdout = get_stdout();
        input(move |stream| stdout.splice(stream, u64::MAX))
    }),
    (
        "wasi:io/streams#[method]output-stream.splice to a file",
        |_| {
            let zeros = zeros()?;
            to_file("output-stream.splice", move |stream| {
                stream.splice(&zeros.read_via_stream(0).expect("it is a file"), u64::MAX)
            })
        },
    ),
    (
        "wasi:io/streams#[method]output-stream.blocking-splice",
        |_| {
            let stdout = get_stdout();
            input(move |stream| stdout.blocking_splice(stream, u64::MAX))
        },
    ),
    (
        "wasi:io/streams#[method]output-stream.blocking-splice to a file",
        |_| {
            let zeros = zeros()?;
            to_file("output-stream.blocking-splice", move |stream| {
                stream.blocking_splice(&zeros.read_via_stream(0).expect("it is a file"), u64::MAX)
            })
        },
    ),
];

/// Reads zeros, from their beginning when they have ended; where no folder is granted, the standard input, which has none.
fn input<T>(read: impl Fn(&InputStream) -> Result<T, StreamError> + 'static) -> Option<Round> {
    let zeros = zeros();
    let open = move || match &zeros {
        Some(file) => file.read_via_stream(0).expect("it is a file"),
        None => get_stdin(),
    };
    let mut stream = open();
    each(move || {
        if read(&stream).is_err() {
            stream = open();
        }
    })
}

/// Writes to the beginning of a file, each time.
fn to_file<T>(name: &str, write: impl Fn(&OutputStream) -> T + 'static) -> Option<Round> {
    let file = scratch(name)?;
    each(move || write(&file.write_via_stream(0).expect("it is a file")))
}

/// Writes as much as the host takes at once.
fn write(stream: &OutputStream, bytes: &[u8]) -> Result<(), StreamError> {
    let room = stream.check_write()?;
    stream.write(&bytes[..bytes.len().min(room as usize)])
}
