//! `wasi:sockets/ip-name-lookup`, metered: the name that is asked for. All look-ups are refused.

use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::p2::Network;
use wasmtime_wasi::p2::bindings::sockets::ip_name_lookup::{Host as _, ResolveAddressStream};
use wasmtime_wasi::p2::bindings::sockets::network::{ErrorCode, Host as _};
use wasmtime_wasi::sockets::WasiSocketsView;

use super::MAKE;
use crate::sandbox::state::CallState;

/// The interface, as `wasmtime-wasi` links it.
const LOOK_UP: &str = "wasi:sockets/ip-name-lookup@0.2.12";

type Resolved = wasmtime::Result<(Result<Resource<ResolveAddressStream>, ErrorCode>,)>;

/// Links the function over what is linked.
pub(super) fn meter(linker: &mut Linker<CallState>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    linker.instance(LOOK_UP)?.func_wrap(
        "resolve-addresses",
        |mut store, (network, name): (Resource<Network>, String)| -> Resolved {
            let state = store.data_mut();
            state.meter.host_function(MAKE);
            state.meter.bill.bytes(name.len());
            let mut sockets = state.sockets();
            match sockets.resolve_addresses(network, name) {
                Ok(addresses) => Ok((Ok(addresses),)),
                Err(error) => Ok((Err(sockets.convert_error_code(error)?),)),
            }
        },
    )?;
    linker.allow_shadowing(false);
    Ok(())
}
