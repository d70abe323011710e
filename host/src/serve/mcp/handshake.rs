//! `initialize`: what a client says of itself, and what of it is kept.

use rmcp::model::{InitializeRequestParams, InitializeResult};

use super::handler::McpServer;
use super::message::{Malformed, Message};
use super::questions;
use super::refusal::Refusal;

/// Bytes of an `initialize`: it is read whole, though little of it is kept.
pub const MAX_HANDSHAKE: usize = 64 << 10;

/// What a client says, in a message with this body.
pub fn read(message: &Message<'_>, body: &[u8]) -> Result<InitializeRequestParams, Refusal> {
    if body.len() > MAX_HANDSHAKE {
        return Err(Refusal::large_handshake());
    }
    Ok(message.check_initialize()?)
}

/// What it is answered, and what its session keeps.
pub fn agree(
    server: &McpServer,
    mut client: InitializeRequestParams,
) -> Result<(InitializeResult, InitializeRequestParams), Refusal> {
    let result = server
        .handshake(&client)
        .map_err(|error| Malformed::new(error.code, error.message))?;
    client.protocol_version = result.protocol_version.clone();
    Ok((result, questions::kept(&client)))
}
