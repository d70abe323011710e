//! `wasi:http/types`, metered: the functions that take texts or lists of the guest's are linked once more, charged by byte
//! and with a bound on what the host keeps.

use wasmtime::component::{Linker, Resource};
use wasmtime_wasi_http::p2::HeaderResult;
use wasmtime_wasi_http::p2::bindings::http::types::{
    Fields, HeaderError, Host as _, HostFields, HostOutgoingRequest, Method, OutgoingRequest,
    Scheme,
};
use wasmtime_wasi_http::{WasiHttpCtxView, WasiHttpView};

use super::MAKE;
use crate::sandbox::state::CallState;

/// The interface, as `wasmtime-wasi-http` links it.
const TYPES: &str = "wasi:http/types@0.2.12";

/// Bytes of a method or a scheme that has no name of its own.
const MAX_TOKEN: usize = 64;

/// Bytes of an authority: a host has 253 (RFC 1035, section 2.3.4), a port 5.
const MAX_AUTHORITY: usize = 1_024;

/// Bytes of a path with its query: what servers take at most.
const MAX_PATH: usize = 8 << 10;

/// What a function with an error of headers gives.
type Headers<T> = wasmtime::Result<(Result<T, HeaderError>,)>;

/// What a setter gives.
type Set = wasmtime::Result<(Result<(), ()>,)>;

/// Links them over what is linked.
pub(super) fn meter(linker: &mut Linker<CallState>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    let mut types = linker.instance(TYPES)?;
    types.func_wrap(
        "[static]fields.from-list",
        |mut store, (entries,): (Vec<(String, Vec<u8>)>,)| -> Headers<Resource<Fields>> {
            let bytes = entries.iter().map(|(name, value)| name.len() + value.len());
            let mut http = paid(store.data_mut(), bytes.sum());
            let made = http.from_list(entries);
            told(&mut http, made)
        },
    )?;
    types.func_wrap(
        "[method]fields.get",
        |mut store, (fields, name): (Resource<Fields>, String)| {
            let mut http = paid(store.data_mut(), name.len());
            Ok((http.get(fields, name)?,))
        },
    )?;
    types.func_wrap(
        "[method]fields.has",
        |mut store, (fields, name): (Resource<Fields>, String)| {
            let mut http = paid(store.data_mut(), name.len());
            Ok((http.has(fields, name)?,))
        },
    )?;
    types.func_wrap(
        "[method]fields.set",
        |mut store,
         (fields, name, values): (Resource<Fields>, String, Vec<Vec<u8>>)|
         -> Headers<()> {
            let bytes = values.iter().map(Vec::len).sum::<usize>() + name.len();
            let mut http = paid(store.data_mut(), bytes);
            let set = http.set(fields, name, values);
            told(&mut http, set)
        },
    )?;
    types.func_wrap(
        "[method]fields.delete",
        |mut store, (fields, name): (Resource<Fields>, String)| -> Headers<()> {
            let mut http = paid(store.data_mut(), name.len());
            let deleted = http.delete(fields, name);
            told(&mut http, deleted)
        },
    )?;
    types.func_wrap(
        "[method]fields.append",
        |mut store, (fields, name, value): (Resource<Fields>, String, Vec<u8>)| -> Headers<()> {
            let mut http = paid(store.data_mut(), name.len() + value.len());
            let appended = http.append(fields, name, value);
            told(&mut http, appended)
        },
    )?;
    types.func_wrap(
        "[method]outgoing-request.set-method",
        |mut store, (request, method): (Resource<OutgoingRequest>, Method)| -> Set {
            let other = match &method {
                Method::Other(method) => method.len(),
                _ => 0,
            };
            let mut http = paid(store.data_mut(), other);
            if other > MAX_TOKEN {
                return Ok((Err(()),));
            }
            Ok((http.set_method(request, method)?,))
        },
    )?;
    types.func_wrap(
        "[method]outgoing-request.set-scheme",
        |mut store, (request, scheme): (Resource<OutgoingRequest>, Option<Scheme>)| -> Set {
            let other = match &scheme {
                Some(Scheme::Other(scheme)) => scheme.len(),
                _ => 0,
            };
            let mut http = paid(store.data_mut(), other);
            if other > MAX_TOKEN {
                return Ok((Err(()),));
            }
            Ok((http.set_scheme(request, scheme)?,))
        },
    )?;
    types.func_wrap(
        "[method]outgoing-request.set-authority",
        |mut store, (request, authority): (Resource<OutgoingRequest>, Option<String>)| -> Set {
            let bytes = authority.as_ref().map_or(0, String::len);
            let mut http = paid(store.data_mut(), bytes);
            if bytes > MAX_AUTHORITY {
                return Ok((Err(()),));
            }
            Ok((http.set_authority(request, authority)?,))
        },
    )?;
    types.func_wrap(
        "[method]outgoing-request.set-path-with-query",
        |mut store, (request, path): (Resource<OutgoingRequest>, Option<String>)| -> Set {
            let bytes = path.as_ref().map_or(0, String::len);
            let mut http = paid(store.data_mut(), bytes);
            if bytes > MAX_PATH {
                return Ok((Err(()),));
            }
            Ok((http.set_path_with_query(request, path)?,))
        },
    )?;
    linker.allow_shadowing(false);
    Ok(())
}

/// The guest's view of HTTP, for a call that took so many bytes.
fn paid(state: &mut CallState, bytes: usize) -> WasiHttpCtxView<'_> {
    state.meter.host_function(MAKE);
    state.meter.bill.bytes(bytes);
    state.http()
}

fn told<T>(http: &mut WasiHttpCtxView<'_>, result: HeaderResult<T>) -> Headers<T> {
    match result {
        Ok(done) => Ok((Ok(done),)),
        Err(error) => Ok((Err(http.convert_header_error(error)?),)),
    }
}
