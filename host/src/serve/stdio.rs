//! MCP over stdin and stdout. Stdout carries MCP and nothing else: the log is on
//! stderr, and what a guest prints goes there too.

use rmcp::ServiceExt;

use super::App;
use super::mcp::McpServer;

/// Serves one client until it closes stdin, or `stop` resolves.
pub async fn run(
    app: App,
    stop: impl Future<Output = ()>,
) -> Result<(), rmcp::service::ServerInitializeError> {
    let drain = app.drain.clone();
    let service = match McpServer::for_session(app)
        .serve(rmcp::transport::stdio())
        .await
    {
        Ok(service) => service,
        // A client that leaves before it said anything.
        Err(rmcp::service::ServerInitializeError::ConnectionClosed(_)) => return Ok(()),
        Err(error) => return Err(error),
    };
    let cancel = service.cancellation_token();
    let mut waiting = std::pin::pin!(service.waiting());
    tokio::select! {
        ended = &mut waiting => {
            tracing::debug!(?ended, "the client closed the connection");
            return Ok(());
        }
        () = stop => {}
    }
    drain.drain(super::listen::GRACE).await;
    cancel.cancel();
    _ = waiting.await;
    Ok(())
}
