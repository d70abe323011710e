//! HTTP: what is made of requests and answers, and sending them to the server that the variable `SERVER` names.

use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::{
    ErrorCode, Fields, FutureIncomingResponse, FutureTrailers, IncomingBody, IncomingResponse,
    Method, OutgoingBody, OutgoingRequest, OutgoingResponse, RequestOptions, Scheme,
    http_error_code,
};
use wasip2::io::streams::StreamError;

use crate::{Function, each, text};

/// Bytes of headers that a guest can have at once, less a little.
const FIELDS: usize = 12_000;

pub const FUNCTIONS: &[Function] = &[
    ("wasi:http/types#[constructor]fields", |_| each(Fields::new)),
    ("wasi:http/types#[static]fields.from-list", |_| {
        let entries = entries(FIELDS);
        each(move || Fields::from_list(&entries))
    }),
    ("wasi:http/types#[static]fields.from-list of one", |_| {
        let entries = [("name".to_owned(), vec![b'x'; FIELDS])];
        each(move || Fields::from_list(&entries))
    }),
    ("wasi:http/types#[method]fields.get", |_| {
        let fields = many();
        each(move || fields.get("name"))
    }),
    (
        "wasi:http/types#[method]fields.get of a long name",
        |size| {
            let (fields, name) = (many(), text(size));
            each(move || fields.get(&name))
        },
    ),
    ("wasi:http/types#[method]fields.has", |size| {
        let (fields, name) = (many(), text(size));
        each(move || fields.has(&name))
    }),
    ("wasi:http/types#[method]fields.set", |_| {
        let (fields, values) = (Fields::new(), vec![b"x".to_vec(); FIELDS / 100]);
        each(move || fields.set("name", &values))
    }),
    ("wasi:http/types#[method]fields.delete", |size| {
        let (fields, name) = (many(), text(size));
        each(move || fields.delete(&name))
    }),
    ("wasi:http/types#[method]fields.append", |_| {
        let value = vec![b'x'; FIELDS];
        each(move || Fields::new().append("name", &value))
    }),
    (
        "wasi:http/types#[method]fields.append under a long name",
        |size| {
            let (fields, name) = (Fields::new(), text(size));
            each(move || fields.append(&name, b"value"))
        },
    ),
    ("wasi:http/types#[method]fields.entries", |_| {
        let fields = many();
        each(move || fields.entries())
    }),
    ("wasi:http/types#[method]fields.clone", |_| {
        let fields = many();
        each(move || fields.clone())
    }),
    ("wasi:http/types#[constructor]outgoing-request", |_| {
        each(|| OutgoingRequest::new(Fields::new()))
    }),
    ("wasi:http/types#[method]outgoing-request.body", |_| {
        each(|| OutgoingRequest::new(Fields::new()).body())
    }),
    ("wasi:http/types#[method]outgoing-request.method", |size| {
        let request = long_request(size);
        each(move || request.method())
    }),
    (
        "wasi:http/types#[method]outgoing-request.set-method",
        |size| {
            let (request, method) = (request(), Method::Other(text(size)));
            each(move || request.set_method(&method))
        },
    ),
    (
        "wasi:http/types#[method]outgoing-request.path-with-query",
        |size| {
            let request = long_request(size);
            each(move || request.path_with_query())
        },
    ),
    (
        "wasi:http/types#[method]outgoing-request.set-path-with-query",
        |size| {
            let (request, path) = (request(), format!("/{}", text(size)));
            each(move || request.set_path_with_query(Some(&path)))
        },
    ),
    ("wasi:http/types#[method]outgoing-request.scheme", |size| {
        let request = long_request(size);
        each(move || request.scheme())
    }),
    (
        "wasi:http/types#[method]outgoing-request.set-scheme",
        |size| {
            let (request, scheme) = (request(), Scheme::Other(text(size)));
            each(move || request.set_scheme(Some(&scheme)))
        },
    ),
    (
        "wasi:http/types#[method]outgoing-request.authority",
        |size| {
            let request = long_request(size);
            each(move || request.authority())
        },
    ),
    (
        "wasi:http/types#[method]outgoing-request.set-authority",
        |size| {
            let (request, authority) = (request(), text(size));
            each(move || request.set_authority(Some(&authority)))
        },
    ),
    ("wasi:http/types#[method]outgoing-request.headers", |_| {
        let request = OutgoingRequest::new(many());
        each(move || request.headers())
    }),
    ("wasi:http/types#[constructor]request-options", |_| {
        each(RequestOptions::new)
    }),
    (
        "wasi:http/types#[method]request-options.connect-timeout",
        |_| {
            let options = RequestOptions::new();
            each(move || options.connect_timeout())
        },
    ),
    (
        "wasi:http/types#[method]request-options.set-connect-timeout",
        |_| {
            let options = RequestOptions::new();
            each(move || options.set_connect_timeout(Some(u64::MAX)))
        },
    ),
    (
        "wasi:http/types#[method]request-options.first-byte-timeout",
        |_| {
            let options = RequestOptions::new();
            each(move || options.first_byte_timeout())
        },
    ),
    (
        "wasi:http/types#[method]request-options.set-first-byte-timeout",
        |_| {
            let options = RequestOptions::new();
            each(move || options.set_first_byte_timeout(Some(u64::MAX)))
        },
    ),
    (
        "wasi:http/types#[method]request-options.between-bytes-timeout",
        |_| {
            let options = RequestOptions::new();
            each(move || options.between_bytes_timeout())
        },
    ),
    (
        "wasi:http/types#[method]request-options.set-between-bytes-timeout",
        |_| {
            let options = RequestOptions::new();
            each(move || options.set_between_bytes_timeout(Some(u64::MAX)))
        },
    ),
    ("wasi:http/types#[constructor]outgoing-response", |_| {
        each(|| OutgoingResponse::new(Fields::new()))
    }),
    (
        "wasi:http/types#[method]outgoing-response.status-code",
        |_| {
            let response = OutgoingResponse::new(many());
            each(move || response.status_code())
        },
    ),
    (
        "wasi:http/types#[method]outgoing-response.set-status-code",
        |_| {
            let response = OutgoingResponse::new(many());
            each(move || response.set_status_code(404))
        },
    ),
    ("wasi:http/types#[method]outgoing-response.headers", |_| {
        let response = OutgoingResponse::new(many());
        each(move || response.headers())
    }),
    ("wasi:http/types#[method]outgoing-response.body", |_| {
        each(|| OutgoingResponse::new(Fields::new()).body())
    }),
    ("wasi:http/types#[method]outgoing-body.write", |size| {
        let bytes = vec![b'x'; size];
        each(move || {
            let body = request().body().expect("it was not taken before");
            let stream = body.write().expect("it was not taken before");
            let room = stream.check_write()?;
            stream.write(&bytes[..bytes.len().min(room as usize)])
        })
    }),
    ("wasi:http/types#[static]outgoing-body.finish", |_| {
        each(|| {
            let body = request().body().expect("it was not taken before");
            OutgoingBody::finish(body, Some(many()))
        })
    }),
    ("wasi:http/outgoing-handler#handle", |_| {
        let server = server()?;
        each(move || send(&server, "/"))
    }),
    ("wasi:http/outgoing-handler#handle what is refused", |_| {
        each(|| send("192.0.2.1:1", "/"))
    }),
    ("wasi:http/outgoing-handler#handle a long path", |size| {
        let (server, path) = (server()?, format!("/{}", text(size)));
        each(move || send(&server, &path))
    }),
    (
        "wasi:http/types#[method]future-incoming-response.subscribe",
        |_| {
            let pending = send(&server()?, "/hang").ok()?;
            each(move || pending.subscribe())
        },
    ),
    (
        "wasi:http/types#[method]future-incoming-response.get",
        |_| {
            let pending = send(&server()?, "/hang").ok()?;
            each(move || pending.get())
        },
    ),
    ("wasi:http/types#[method]incoming-response.status", |_| {
        let response = answer(&server()?, "/")?;
        each(move || response.status())
    }),
    ("wasi:http/types#[method]incoming-response.headers", |_| {
        let response = answer(&server()?, "/")?;
        each(move || response.headers().entries())
    }),
    ("wasi:http/types#[method]incoming-response.consume", |_| {
        let server = server()?;
        each(move || answer(&server, "/").map(|response| response.consume()))
    }),
    ("wasi:http/types#[method]incoming-body.stream", |_| {
        let server = server()?;
        each(move || {
            let body = answer(&server, "/")?.consume().ok()?;
            body.stream().ok().map(drop)
        })
    }),
    ("wasi:http/types#[static]incoming-body.finish", |_| {
        let server = server()?;
        each(move || trailers(&server))
    }),
    ("wasi:http/types#[method]future-trailers.subscribe", |_| {
        let trailers = trailers(&server()?)?;
        each(move || trailers.subscribe())
    }),
    ("wasi:http/types#[method]future-trailers.get", |_| {
        let trailers = trailers(&server()?)?;
        each(move || trailers.get())
    }),
    ("wasi:http/types#http-error-code", |_| {
        let body = answer(&server()?, "/cut")?.consume().ok()?;
        let stream = body.stream().ok()?;
        let error = loop {
            match stream.blocking_read(u64::MAX) {
                Ok(_) => {}
                Err(StreamError::LastOperationFailed(error)) => break error,
                Err(StreamError::Closed) => return None,
            }
        };
        // What the error came from stays as long as it.
        std::mem::forget((stream, body));
        each(move || http_error_code(&error))
    }),
];

/// As many headers as these bytes hold.
fn entries(bytes: usize) -> Vec<(String, Vec<u8>)> {
    vec![("name".to_owned(), b"value".to_vec()); bytes / 100]
}

/// As many headers as there can be.
pub fn many() -> Fields {
    Fields::from_list(&entries(FIELDS)).expect("so many are allowed")
}

pub fn request() -> OutgoingRequest {
    OutgoingRequest::new(Fields::new())
}

/// A request of which each part is as long as the host lets it be.
pub fn long_request(size: usize) -> OutgoingRequest {
    let (request, long) = (request(), text(size));
    // A part that is refused stays short.
    _ = request.set_method(&Method::Other(long.clone()));
    _ = request.set_path_with_query(Some(&format!("/{long}")));
    _ = request.set_scheme(Some(&Scheme::Other(long.clone())));
    _ = request.set_authority(Some(&long));
    request
}

/// The server that is granted.
pub fn server() -> Option<String> {
    std::env::var("SERVER").ok()
}

fn send(authority: &str, path: &str) -> Result<FutureIncomingResponse, ErrorCode> {
    let request = request();
    // What cannot be set is refused when it is sent.
    _ = request.set_scheme(Some(&Scheme::Http));
    _ = request.set_authority(Some(authority));
    _ = request.set_path_with_query(Some(path));
    handle(request, None)
}

pub fn answer(authority: &str, path: &str) -> Option<IncomingResponse> {
    let pending = send(authority, path).ok()?;
    pending.subscribe().block();
    pending.get()?.ok()?.ok()
}

fn trailers(authority: &str) -> Option<FutureTrailers> {
    Some(IncomingBody::finish(
        answer(authority, "/")?.consume().ok()?,
    ))
}
