//! What sessions (those of the handshake revisions) cost that wait for news: each has its stream open, on a connection of
//! its own, and nothing happens.

use anyhow::Result;

use super::Bench;
use super::mcp::PATH;
use super::session::{REVISION, headers, initialize};
use crate::http::Connection;
use crate::report::{Bar, Quantity, Row};
use crate::server::Server;

/// KiB a session: 10,000 of them in 200 MB.
const EACH: Bar = Bar::at_most(20.0, 20.0);

/// Measures.
pub fn measure(bench: &Bench) -> Result<Vec<Row>> {
    sandglass::open_files::allow_many();
    let server = Server::sandglass(&bench.parts)?;
    let runtime = super::runtime()?;
    let count = bench.effort.sessions;
    let (before, after) = runtime.block_on(async {
        let mut posts = Connection::open(server.address).await?;
        // What the first one needs is no matter of their number.
        let mut streams = vec![listen(&server, &mut posts).await?];
        let before = server.memory()?;
        for _ in 0..count {
            streams.push(listen(&server, &mut posts).await?);
        }
        anyhow::Ok((before, server.memory()?))
    })?;
    let (all, each) = (after.resident - before.resident, f64::from(count));
    Ok(vec![
        Row::alone(
            format!("resident memory of a listening session, of {count}"),
            Quantity::KIBIBYTES,
            all / each,
        )
        .with_bar(EACH),
        Row::alone("all of them", Quantity::KIBIBYTES, all),
    ])
}

/// Opens a session and its stream.
async fn listen(server: &Server, posts: &mut Connection) -> Result<Connection> {
    let answer = posts.exchange(&initialize()).await?;
    answer.expect(200, REVISION)?;
    let headers = headers(&answer.session()?);
    let request = format!(
        "GET {PATH} HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n{headers}\r\n"
    );
    let mut stream = Connection::open(server.address).await?;
    stream.open_stream(request.as_bytes()).await?;
    Ok(stream)
}
