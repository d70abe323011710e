//! What a guest pays for the work that it has the host do, and when it gives its thread back.
//!
//! wasmtime's fuel counts the guest's own instructions. Work of the host is charged beside it: each host function has a
//! price by call, and most have one by byte (`linked.rs`). Charges depend on calls and bytes alone, never on elapsed
//! time, so that a budget stays deterministic.
//!
//! Time decides only when a guest yields: between two host calls, once its thread has been held for [`SLICE`]. So the
//! deadline, cancelling and the lanes hold whatever a guest does.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use wasmtime::{CallHook, CallHookHandler, StoreContextMut, Trap};

use super::state::CallState;

/// How long a guest that calls the host holds its thread.
const SLICE: Duration = Duration::from_micros(500);

/// Host calls between two looks at the clock: a look costs as much as a small host call.
const LOOK_EVERY: u32 = 16;

/// Fuel, burnt or charged, after which the clock is looked at however few host calls there were.
const LOOK_AFTER: u64 = 100_000;

/// What a built-in function of the component model costs: handles, and texts that go from one part of a component to
/// another. There is no telling how long those are.
const BUILT_IN: u64 = 200;

/// A running call's account of host work. Clones share it.
///
/// Only the thread that runs the guest writes to it, so nothing here is a read-modify-write of the CPU's.
#[derive(Clone, Default)]
pub(super) struct Bill(Arc<Account>);

#[derive(Default)]
struct Account {
    /// Fuel that is charged and not paid yet.
    owed: AtomicU64,
    /// How often the call was suspended since the host function that runs now began.
    suspensions: AtomicU32,
}

impl Bill {
    /// Charges units of fuel. They are taken when the host function returns.
    pub(super) fn charge(&self, fuel: u64) {
        let owed = self.0.owed.load(Ordering::Relaxed);
        self.0
            .owed
            .store(owed.saturating_add(fuel), Ordering::Relaxed);
    }

    /// Charges for bytes that went from the guest to the host, or back.
    pub(super) fn bytes(&self, bytes: usize) {
        self.charge(bytes as u64);
    }

    /// What is charged and not paid.
    pub(super) fn owed(&self) -> u64 {
        self.0.owed.load(Ordering::Relaxed)
    }

    /// The call was suspended, and goes on.
    fn resumed(&self) {
        self.set_suspensions(self.suspensions().saturating_add(1));
    }

    fn suspensions(&self) -> u32 {
        self.0.suspensions.load(Ordering::Relaxed)
    }

    fn set_suspensions(&self, suspensions: u32) {
        self.0.suspensions.store(suspensions, Ordering::Relaxed);
    }
}

/// A store's part of the account.
pub(super) struct Meter {
    pub(super) bill: Bill,
    /// The host functions and built-ins that run: one may call the guest, and the guest another.
    running: Vec<Frame>,
    /// Whether the innermost is a host function.
    is_host_function: bool,
    /// Host calls until the clock is looked at.
    look_in: u32,
    /// The fuel that was left when the clock was looked at last.
    looked_at: u64,
    /// Since when the guest has its thread.
    since: Instant,
}

/// What is around the innermost function.
struct Frame {
    is_host_function: bool,
    suspensions: u32,
}

impl Meter {
    pub(super) fn new(fuel: u64) -> Self {
        Self {
            bill: Bill::default(),
            running: Vec::new(),
            is_host_function: false,
            look_in: LOOK_EVERY,
            looked_at: fuel,
            since: Instant::now(),
        }
    }

    /// A host function begins, which costs so much however it goes on.
    pub(super) fn host_function(&mut self, fuel: u64) {
        self.is_host_function = true;
        self.bill.charge(fuel);
    }

    fn enter(&mut self) {
        self.running.push(Frame {
            is_host_function: std::mem::take(&mut self.is_host_function),
            suspensions: self.bill.suspensions(),
        });
        self.bill.set_suspensions(0);
    }

    fn leave(&mut self) -> Left {
        let was_suspended = self.bill.suspensions() > 0;
        let is_host_function = self.is_host_function;
        if let Some(outer) = self.running.pop() {
            self.is_host_function = outer.is_host_function;
            self.bill.set_suspensions(outer.suspensions);
        }
        if was_suspended {
            self.since = Instant::now();
        }
        match (is_host_function, was_suspended) {
            (true, _) => Left::HostFunction,
            (false, true) => Left::Refuelling,
            (false, false) => Left::BuiltIn,
        }
    }

    /// Whether the guest has held its thread for long enough.
    fn is_over_time(&mut self, left: Left, fuel: u64) -> bool {
        self.look_in -= 1;
        let is_due = self.look_in == 0
            || left == Left::BuiltIn
            || self.looked_at.saturating_sub(fuel) >= LOOK_AFTER;
        if !is_due {
            return false;
        }
        self.look_in = LOOK_EVERY;
        self.looked_at = fuel;
        self.since.elapsed() >= SLICE
    }
}

/// What the guest comes back from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    /// A function that is linked.
    HostFunction,
    /// wasmtime's own yield between two portions of fuel: of the functions that are not linked the only one that
    /// suspends a call.
    Refuelling,
    /// Another function of wasmtime's own.
    BuiltIn,
}

/// Settles a store's account at each return to the guest.
pub(super) struct Settle;

/// Nothing is to be waited for. As it has no size, a box of it takes no memory.
struct Now;

impl Future for Now {
    type Output = wasmtime::Result<()>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(Ok(()))
    }
}

type Settling<'a> = Pin<Box<dyn Future<Output = wasmtime::Result<()>> + Send + 'a>>;

impl CallHookHandler<CallState> for Settle {
    // As `async_trait` writes it: a box a call would cost more than the rest.
    fn handle_call_event<'this, 'store, 'future>(
        &'this self,
        mut store: StoreContextMut<'store, CallState>,
        event: CallHook,
    ) -> Settling<'future>
    where
        'this: 'future,
        'store: 'future,
    {
        match event {
            CallHook::CallingWasm | CallHook::ReturningFromWasm => Box::pin(Now),
            CallHook::CallingHost => {
                store.data_mut().meter.enter();
                Box::pin(Now)
            }
            CallHook::ReturningFromHost => settle(store),
        }
    }
}

fn settle(mut store: StoreContextMut<'_, CallState>) -> Settling<'_> {
    let left = store.data_mut().meter.leave();
    let fuel = match pay(&mut store, left) {
        Ok(fuel) => fuel,
        Err(error) => return Box::pin(std::future::ready(Err(error))),
    };
    let meter = &mut store.data_mut().meter;
    if !meter.is_over_time(left, fuel) {
        return Box::pin(Now);
    }
    Box::pin(async move {
        // Not the suspension of the function around this one.
        let meter = &mut store.data_mut().meter;
        let suspensions = meter.bill.suspensions();
        tokio::task::yield_now().await;
        meter.bill.set_suspensions(suspensions);
        meter.since = Instant::now();
        Ok(())
    })
}

/// Takes from the fuel what is owed; what is left.
fn pay(store: &mut StoreContextMut<'_, CallState>, left: Left) -> wasmtime::Result<u64> {
    let bill = &store.data().meter.bill;
    if left == Left::BuiltIn {
        bill.charge(BUILT_IN);
        // Compiled code has its count of fuel in a register around some of these, and would overwrite ours.
        return store.get_fuel();
    }
    let owed = bill.owed();
    let fuel = store.get_fuel()?;
    if owed == 0 {
        return Ok(fuel);
    }
    let Some(rest @ 1..) = fuel.checked_sub(owed) else {
        return Err(Trap::OutOfFuel.into());
    };
    store.data().meter.bill.0.owed.store(0, Ordering::Relaxed);
    store.set_fuel(rest)?;
    Ok(rest)
}

/// A call of a guest, whose suspensions are noted.
pub(super) async fn noted<T>(bill: Bill, call: impl Future<Output = T>) -> T {
    let mut call = std::pin::pin!(call);
    std::future::poll_fn(|context| {
        bill.resumed();
        call.as_mut().poll(context)
    })
    .await
}
