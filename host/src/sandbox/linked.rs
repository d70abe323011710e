//! What is linked for every component, and what a call of it costs.
//!
//! All of WASI 0.2 that the host offers is linked for every component; a grant lives in the store and is looked at when the
//! guest calls. So an import without a grant is a refused call, never a failed load.
//!
//! Each interface has a price for a call of any of its functions, in fuel; functions that carry texts or lists are charged
//! by byte beside it, as the table in the tests says. One unit stands for about half a nanosecond, as an instruction does.

mod file_streams;
mod files;
mod http;
mod names;
mod open;
mod streams;

pub(super) use self::files::Folders;
pub(super) use self::streams::Streams;

use wasmtime::component::{HasSelf, Linker};
use wasmtime_wasi::cli::{WasiCli, WasiCliView};
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksView};
use wasmtime_wasi::p2::bindings::{cli, clocks, filesystem, random, sockets};
use wasmtime_wasi::random::{WasiRandom, WasiRandomView};
use wasmtime_wasi::sockets::{WasiSockets, WasiSocketsView};
use wasmtime_wasi_config::WasiConfig;
use wasmtime_wasi_http::p2::bindings::http as wasi_http;
use wasmtime_wasi_http::{WasiHttp, WasiHttpView};
use wasmtime_wasi_io::bindings::wasi::io;

use self::files::HasFolders;
use self::streams::HasStreams;
use super::bindings::sandglass::tool::{host, resource_updates};
use super::capability::keyvalue;
use super::script;
use super::state::CallState;

/// A function that looks something up.
const LOOK_UP: u64 = 500;

/// A function that makes, changes or copies something of some KiB at most: a request, its headers.
const MAKE: u64 = 5_000;

/// A function with a system call or two.
const SYSTEM_CALL: u64 = 5_000;

/// A function that works on another thread: handing over, and back.
const HAND_OVER: u64 = 20_000;

/// A function that connects.
const CONNECT: u64 = 100_000;

/// A linker with everything that a component may import.
pub(super) fn linker(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<CallState>> {
    let mut linker = Linker::new(engine);
    link(&mut linker, |_, _| {})?;
    Ok(linker)
}

/// Links everything; `tell` hears of each interface and its price.
fn link(linker: &mut Linker<CallState>, mut tell: impl FnMut(&str, u64)) -> wasmtime::Result<()> {
    macro_rules! link {
        ($interface:literal, $price:expr, $($bindings:ident)::+, $data:ty, |$state:ident| $view:expr $(, $options:expr)?) => {
            tell($interface, $price);
            $($bindings)::+::add_to_linker::<CallState, $data>(linker, $($options,)? |$state| {
                $state.meter.host_function($price);
                $view
            })?;
        };
    }
    link!(
        "wasi:cli/environment",
        LOOK_UP,
        cli::environment,
        WasiCli,
        |state| {
            state.charge_environment();
            state.cli()
        }
    );
    link!("wasi:cli/exit", LOOK_UP, cli::exit, WasiCli, |state| state
        .cli());
    link!("wasi:cli/stdin", LOOK_UP, cli::stdin, WasiCli, |state| {
        state.cli()
    });
    link!("wasi:cli/stdout", LOOK_UP, cli::stdout, WasiCli, |state| {
        state.cli()
    });
    link!("wasi:cli/stderr", LOOK_UP, cli::stderr, WasiCli, |state| {
        state.cli()
    });
    link!(
        "wasi:cli/terminal-input",
        LOOK_UP,
        cli::terminal_input,
        WasiCli,
        |state| state.cli()
    );
    link!(
        "wasi:cli/terminal-output",
        LOOK_UP,
        cli::terminal_output,
        WasiCli,
        |state| state.cli()
    );
    link!(
        "wasi:cli/terminal-stdin",
        LOOK_UP,
        cli::terminal_stdin,
        WasiCli,
        |state| state.cli()
    );
    link!(
        "wasi:cli/terminal-stdout",
        LOOK_UP,
        cli::terminal_stdout,
        WasiCli,
        |state| state.cli()
    );
    link!(
        "wasi:cli/terminal-stderr",
        LOOK_UP,
        cli::terminal_stderr,
        WasiCli,
        |state| state.cli()
    );
    link!(
        "wasi:clocks/wall-clock",
        LOOK_UP,
        clocks::wall_clock,
        WasiClocks,
        |state| state.clocks()
    );
    link!(
        "wasi:clocks/monotonic-clock",
        LOOK_UP,
        clocks::monotonic_clock,
        WasiClocks,
        |state| state.clocks()
    );
    link!(
        "wasi:random/random",
        LOOK_UP,
        random::random,
        WasiRandom,
        |state| state.random()
    );
    link!(
        "wasi:random/insecure",
        LOOK_UP,
        random::insecure,
        WasiRandom,
        |state| state.random()
    );
    link!(
        "wasi:random/insecure-seed",
        LOOK_UP,
        random::insecure_seed,
        WasiRandom,
        |state| state.random()
    );
    link!("wasi:io/error", MAKE, io::error, HasStreams, |state| state
        .streams());
    link!("wasi:io/poll", LOOK_UP, io::poll, HasStreams, |state| state
        .streams());
    link!(
        "wasi:io/streams",
        LOOK_UP,
        io::streams,
        HasStreams,
        |state| state.streams()
    );
    link!(
        "wasi:filesystem/preopens",
        SYSTEM_CALL,
        filesystem::preopens,
        HasFolders,
        |state| state.folders()
    );
    link!(
        "wasi:filesystem/types",
        LOOK_UP,
        filesystem::types,
        HasFolders,
        |state| state.folders()
    );
    link!(
        "wasi:sockets/instance-network",
        LOOK_UP,
        sockets::instance_network,
        WasiSockets,
        |state| state.sockets()
    );
    link!(
        "wasi:sockets/network",
        LOOK_UP,
        sockets::network,
        WasiSockets,
        |state| state.sockets(),
        &sockets::network::LinkOptions::default()
    );
    link!(
        "wasi:sockets/ip-name-lookup",
        MAKE,
        sockets::ip_name_lookup,
        WasiSockets,
        |state| state.sockets()
    );
    names::meter(linker)?;
    link!(
        "wasi:sockets/tcp",
        SYSTEM_CALL,
        sockets::tcp,
        WasiSockets,
        |state| state.sockets()
    );
    link!(
        "wasi:sockets/tcp-create-socket",
        SYSTEM_CALL,
        sockets::tcp_create_socket,
        WasiSockets,
        |state| state.sockets()
    );
    link!(
        "wasi:sockets/udp",
        SYSTEM_CALL,
        sockets::udp,
        WasiSockets,
        |state| state.sockets()
    );
    link!(
        "wasi:sockets/udp-create-socket",
        SYSTEM_CALL,
        sockets::udp_create_socket,
        WasiSockets,
        |state| state.sockets()
    );
    link!(
        "wasi:http/types",
        MAKE,
        wasi_http::types,
        WasiHttp,
        |state| state.http(),
        &wasi_http::types::LinkOptions::default()
    );
    http::meter(linker)?;
    link!(
        "wasi:http/outgoing-handler",
        CONNECT,
        wasi_http::outgoing_handler,
        WasiHttp,
        |state| state.http()
    );
    tell("wasi:config/store", LOOK_UP);
    wasmtime_wasi_config::add_to_linker(linker, |state| {
        state.meter.host_function(LOOK_UP);
        state.charge_environment();
        WasiConfig::from(&*state.config)
    })?;
    for interface in ["store", "atomics", "batch"] {
        tell(&format!("wasi:keyvalue/{interface}"), HAND_OVER);
    }
    keyvalue::add_to_linker(linker, |state| {
        state.meter.host_function(HAND_OVER);
        state.keyvalue()
    })?;
    tell("sandglass:tool/source", LOOK_UP);
    script::add_to_linker(linker, |state| {
        state.meter.host_function(LOOK_UP);
        state.source()
    })?;
    link!(
        "sandglass:tool/host",
        LOOK_UP,
        host,
        HasSelf<CallState>,
        |state| state
    );
    link!(
        "sandglass:tool/resource-updates",
        LOOK_UP,
        resource_updates,
        HasSelf<CallState>,
        |state| state
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use wit_parser::{Function, Resolve, Type, TypeDefKind};

    use super::*;

    /// How the bytes of a function that carries texts or lists are accounted for.
    enum Bytes {
        /// Charged one by one.
        Charged,
        /// So many at most. They are copied and no more, which costs an eighth of the price of a byte.
        AtMost(u64),
    }
    use Bytes::{AtMost, Charged};

    /// Functions with a text or a list among their parameters or in their result.
    /// What a handle stands for at most.
    const HANDLE: u64 = 24 << 10;

    const SIZED: &[(&str, Bytes)] = &[
        ("sandglass:tool/host#ask", Charged),
        ("sandglass:tool/host#log", Charged),
        ("sandglass:tool/host#progress", Charged),
        ("sandglass:tool/resource-updates#updated", Charged),
        ("sandglass:tool/source#bound", Charged),
        ("sandglass:tool/source#keep", Charged),
        ("sandglass:tool/source#kept", Charged),
        ("sandglass:tool/source#leave-out", Charged),
        ("wasi:cli/environment#get-arguments", AtMost(0)),
        ("wasi:cli/environment#get-environment", Charged),
        ("wasi:cli/environment#initial-cwd", AtMost(0)),
        ("wasi:config/store#get", Charged),
        ("wasi:config/store#get-all", Charged),
        ("wasi:filesystem/preopens#get-directories", AtMost(4 << 10)),
        (
            "wasi:filesystem/types#[method]descriptor.create-directory-at",
            Charged,
        ),
        ("wasi:filesystem/types#[method]descriptor.link-at", Charged),
        (
            "wasi:filesystem/types#[method]descriptor.metadata-hash-at",
            Charged,
        ),
        ("wasi:filesystem/types#[method]descriptor.open-at", Charged),
        ("wasi:filesystem/types#[method]descriptor.read", Charged),
        (
            "wasi:filesystem/types#[method]descriptor.readlink-at",
            Charged,
        ),
        (
            "wasi:filesystem/types#[method]descriptor.remove-directory-at",
            Charged,
        ),
        (
            "wasi:filesystem/types#[method]descriptor.rename-at",
            Charged,
        ),
        (
            "wasi:filesystem/types#[method]descriptor.set-times-at",
            Charged,
        ),
        ("wasi:filesystem/types#[method]descriptor.stat-at", Charged),
        (
            "wasi:filesystem/types#[method]descriptor.symlink-at",
            Charged,
        ),
        (
            "wasi:filesystem/types#[method]descriptor.unlink-file-at",
            Charged,
        ),
        ("wasi:filesystem/types#[method]descriptor.write", Charged),
        (
            "wasi:filesystem/types#[method]directory-entry-stream.read-directory-entry",
            Charged,
        ),
        ("wasi:http/outgoing-handler#handle", AtMost(HANDLE)),
        ("wasi:http/types#[method]fields.append", Charged),
        ("wasi:http/types#[method]fields.delete", Charged),
        ("wasi:http/types#[method]fields.entries", AtMost(HANDLE)),
        ("wasi:http/types#[method]fields.get", Charged),
        ("wasi:http/types#[method]fields.has", Charged),
        ("wasi:http/types#[method]fields.set", Charged),
        (
            "wasi:http/types#[method]future-incoming-response.get",
            AtMost(HANDLE),
        ),
        (
            "wasi:http/types#[method]future-trailers.get",
            AtMost(HANDLE),
        ),
        (
            "wasi:http/types#[method]incoming-request.authority",
            AtMost(HANDLE),
        ),
        (
            "wasi:http/types#[method]incoming-request.method",
            AtMost(HANDLE),
        ),
        (
            "wasi:http/types#[method]incoming-request.path-with-query",
            AtMost(HANDLE),
        ),
        (
            "wasi:http/types#[method]incoming-request.scheme",
            AtMost(HANDLE),
        ),
        (
            "wasi:http/types#[method]outgoing-request.authority",
            AtMost(HANDLE),
        ),
        (
            "wasi:http/types#[method]outgoing-request.method",
            AtMost(HANDLE),
        ),
        (
            "wasi:http/types#[method]outgoing-request.path-with-query",
            AtMost(HANDLE),
        ),
        (
            "wasi:http/types#[method]outgoing-request.scheme",
            AtMost(HANDLE),
        ),
        (
            "wasi:http/types#[method]outgoing-request.set-authority",
            Charged,
        ),
        (
            "wasi:http/types#[method]outgoing-request.set-method",
            Charged,
        ),
        (
            "wasi:http/types#[method]outgoing-request.set-path-with-query",
            Charged,
        ),
        (
            "wasi:http/types#[method]outgoing-request.set-scheme",
            Charged,
        ),
        ("wasi:http/types#[static]fields.from-list", Charged),
        (
            "wasi:http/types#[static]outgoing-body.finish",
            AtMost(HANDLE),
        ),
        (
            "wasi:http/types#[static]response-outparam.set",
            AtMost(HANDLE),
        ),
        ("wasi:http/types#http-error-code", AtMost(HANDLE)),
        ("wasi:io/error#[method]error.to-debug-string", Charged),
        ("wasi:io/poll#poll", Charged),
        (
            "wasi:io/streams#[method]input-stream.blocking-read",
            Charged,
        ),
        ("wasi:io/streams#[method]input-stream.read", Charged),
        (
            "wasi:io/streams#[method]output-stream.blocking-write-and-flush",
            Charged,
        ),
        ("wasi:io/streams#[method]output-stream.write", Charged),
        ("wasi:keyvalue/atomics#increment", Charged),
        ("wasi:keyvalue/batch#delete-many", Charged),
        ("wasi:keyvalue/batch#get-many", Charged),
        ("wasi:keyvalue/batch#set-many", Charged),
        ("wasi:keyvalue/store#[method]bucket.delete", Charged),
        ("wasi:keyvalue/store#[method]bucket.exists", Charged),
        ("wasi:keyvalue/store#[method]bucket.get", Charged),
        ("wasi:keyvalue/store#[method]bucket.list-keys", Charged),
        ("wasi:keyvalue/store#[method]bucket.set", Charged),
        ("wasi:keyvalue/store#open", Charged),
        ("wasi:random/insecure#get-insecure-random-bytes", Charged),
        ("wasi:random/random#get-random-bytes", Charged),
        ("wasi:sockets/ip-name-lookup#resolve-addresses", Charged),
        (
            "wasi:sockets/udp#[method]incoming-datagram-stream.receive",
            AtMost(0),
        ),
        (
            "wasi:sockets/udp#[method]outgoing-datagram-stream.send",
            AtMost(0),
        ),
    ];

    /// Interfaces that components cannot import here, or that have types alone.
    const NOT_LINKED: &[&str] = &[
        "sandglass:tool/completion",
        "sandglass:tool/prompts",
        "sandglass:tool/resources",
        "sandglass:tool/tools",
        "sandglass:tool/types",
        "wasi:cli/run",
        "wasi:http/incoming-handler",
        "wasi:keyvalue/watcher",
    ];

    /// The packages that the host links from.
    fn packages() -> Resolve {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut resolve = Resolve::default();
        resolve.push_path(root.join("wit")).unwrap();
        resolve
            .push_path(root.join("guest-sdk/python/wit"))
            .unwrap();
        resolve
    }

    fn has_bytes(resolve: &Resolve, ty: &Type) -> bool {
        let has = |ty: &Type| has_bytes(resolve, ty);
        match ty {
            Type::String => true,
            Type::Id(id) => match &resolve.types[*id].kind {
                TypeDefKind::List(_) => true,
                TypeDefKind::Record(record) => record.fields.iter().any(|field| has(&field.ty)),
                TypeDefKind::Tuple(tuple) => tuple.types.iter().any(has),
                TypeDefKind::Variant(variant) => {
                    variant.cases.iter().any(|case| case.ty.iter().any(has))
                }
                TypeDefKind::Option(ty) | TypeDefKind::Type(ty) => has(ty),
                TypeDefKind::Result(result) => result.ok.iter().chain(&result.err).any(has),
                _ => false,
            },
            _ => false,
        }
    }

    fn carries_bytes(resolve: &Resolve, function: &Function) -> bool {
        let parameters = function.params.iter().map(|parameter| &parameter.ty);
        parameters
            .chain(&function.result)
            .any(|ty| has_bytes(resolve, ty))
    }

    #[test]
    fn every_function_that_is_linked_has_a_price() {
        let engine = wasmtime::Engine::default();
        let mut prices = Vec::new();
        link(&mut Linker::new(&engine), |interface, price| {
            prices.push((interface.to_owned(), price));
        })
        .unwrap();
        let resolve = packages();
        let (mut unpriced, mut sized) = (BTreeSet::new(), BTreeSet::new());
        for (_, package) in &resolve.packages {
            for (name, interface) in &package.interfaces {
                let interface_name =
                    format!("{}:{}/{name}", package.name.namespace, package.name.name);
                let functions = &resolve.interfaces[*interface].functions;
                let price = prices.iter().find(|(linked, _)| *linked == interface_name);
                let Some((_, price)) = price else {
                    if !NOT_LINKED.contains(&&*interface_name) {
                        unpriced.insert(interface_name);
                    }
                    continue;
                };
                assert!(*price > 0, "{interface_name}");
                for (name, function) in functions {
                    if carries_bytes(&resolve, function) {
                        sized.insert(format!("{interface_name}#{name}"));
                    }
                }
                for (name, bytes) in SIZED {
                    if let AtMost(bytes) = bytes
                        && name.starts_with(&format!("{interface_name}#"))
                    {
                        assert!(*bytes <= 8 * price, "{name} costs {price}");
                    }
                }
            }
        }
        assert_eq!(unpriced, BTreeSet::new(), "these have no price");
        let told: BTreeSet<_> = SIZED.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(
            sized, told,
            "what of these carries bytes is to be told in SIZED"
        );
    }
}
