//! Runs `async` tools to their end, and lets what they wait for sleep in the host.
//!
//! Inside a component it is wstd's, so a tool may use wstd's timers and tasks beside this SDK.

#[cfg(target_arch = "wasm32")]
pub use component::{now, wait};
#[cfg(not(target_arch = "wasm32"))]
pub use pollster::block_on;
#[cfg(target_arch = "wasm32")]
pub use wstd::runtime::block_on;

#[cfg(target_arch = "wasm32")]
mod component {
    use std::{
        future::Future,
        pin::pin,
        task::{Context, Poll, Waker},
    };

    use wasip2::io::poll::Pollable;
    use wstd::runtime::AsyncPollable;

    /// Waits until it is ready, while other futures of the tool go on.
    pub async fn wait(pollable: Pollable) {
        AsyncPollable::new(pollable).wait_for().await;
    }

    /// What a future gives that never waits, also inside [`block_on`](super::block_on).
    pub fn now<T>(future: impl Future<Output = T>) -> T {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(output) => output,
            Poll::Pending => unreachable!("all that it does blocks"),
        }
    }
}
