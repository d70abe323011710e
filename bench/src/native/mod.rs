//! What Sandglass is measured against: the same answers from the bare libraries,
//! the fastest way they are normally used.
//!
//! - [`wasmtime`]: a call in a new instance, and nothing around it.
//! - [`rest`]: an axum handler. [`mcp`]: a tool on rmcp.

pub mod mcp;
pub mod rest;
pub mod wasmtime;

use std::net::Ipv4Addr;

use anyhow::Result;
use axum::serve::ListenerExt;
use tokio::net::TcpListener;

use crate::server::READY;

/// Serves on a free port of the loopback interface, and says which one.
async fn serve(router: axum::Router) -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    eprintln!("{READY}{}", listener.local_addr()?);
    let listener = listener.tap_io(|stream| _ = stream.set_nodelay(true));
    axum::serve(listener, router).await?;
    Ok(())
}

/// The runtime that a server normally has.
fn block_on(work: impl Future<Output = Result<()>>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let result = runtime.block_on(work);
    // Blocking reads of stdin have no end of their own.
    runtime.shutdown_background();
    result
}
