//! Requests of a guest against servers on loopback, with resolvers that lie.

mod addresses;
mod headers;
mod limits;
mod passing;
mod server;
mod time;
mod tls;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use sandglass_manifest::{
    HostPattern, HttpLimits, HttpRule, Limits, Placed, SecretRef, TextOrSecret,
};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use self::server::Server;
use super::super::super::file_share::GuestFiles;
use super::super::super::memory::HostMemory;
use super::super::trail::Trail;
use super::resolve::Resolve;
use super::rule::Target;
use super::{Http, Outbound};

/// Answers each look-up with the next list, the last one for ever.
struct Liar {
    answers: Vec<Vec<IpAddr>>,
    asked: AtomicUsize,
}

impl Liar {
    fn new(answers: &[&[&str]]) -> Arc<Self> {
        let parse = |list: &&[&str]| list.iter().map(|text| text.parse().unwrap()).collect();
        Arc::new(Self {
            answers: answers.iter().map(parse).collect(),
            asked: AtomicUsize::new(0),
        })
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Resolve for Liar {
    fn resolve<'a>(&'a self, _: &'a str) -> BoxFuture<'a, std::io::Result<Vec<IpAddr>>> {
        let index = self.asked.fetch_add(1, Ordering::SeqCst);
        let answer = self.answers[index.min(self.answers.len() - 1)].clone();
        Box::pin(std::future::ready(Ok(answer)))
    }
}

/// Never answers.
struct Mute;

impl Resolve for Mute {
    fn resolve<'a>(&'a self, _: &'a str) -> BoxFuture<'a, std::io::Result<Vec<IpAddr>>> {
        Box::pin(std::future::pending())
    }
}

fn rule(host: &str, port: u16) -> HttpRule {
    HttpRule {
        // Not by `parse`: the manifest refuses some that a guest may still ask for.
        host: HostPattern::Exact(host.to_owned()),
        port: port.try_into().unwrap(),
        methods: Vec::new(),
        path: "/".parse().unwrap(),
        private: true,
        headers: BTreeMap::new(),
        ca: None,
    }
}

/// A rule that does not say `private`.
fn public(host: &str, port: u16) -> HttpRule {
    HttpRule {
        private: false,
        ..rule(host, port)
    }
}

fn outbound(rules: &[HttpRule], limits: &HttpLimits) -> Outbound {
    Http::configure(rules).unwrap().prepare(
        limits,
        HostMemory::new(16 << 20),
        GuestFiles::new().share(),
        Trail::default(),
    )
}

fn to(server: &Server) -> Outbound {
    outbound(&[rule("127.0.0.1", server.port())], &Limits::DEFAULT.http)
}

fn with(resolver: Arc<dyn Resolve>, rules: &[HttpRule]) -> Outbound {
    let mut outbound = outbound(rules, &Limits::DEFAULT.http);
    outbound.http.resolver = resolver;
    outbound
}

fn request(method: &str, url: &str) -> Request<WasiBody> {
    with_body(method, url, Bytes::new())
}

fn with_body(method: &str, url: &str, body: Bytes) -> Request<WasiBody> {
    let body = if body.is_empty() {
        Empty::new().map_err(|never| match never {}).boxed_unsync()
    } else {
        Full::new(body)
            .map_err(|never| match never {})
            .boxed_unsync()
    };
    Request::builder()
        .method(method)
        .uri(url)
        .body(body)
        .unwrap()
}

type Sent = Result<
    (
        Response<WasiBody>,
        wasmtime_wasi::runtime::AbortOnDropJoinHandle<()>,
    ),
    Error,
>;

/// As the bindings send: the rest of the work in a task that ends with the guest's resources.
async fn send_with(
    outbound: &Outbound,
    request: Request<WasiBody>,
    options: Option<RequestOptions>,
) -> Sent {
    let sent = outbound
        .clone()
        .send_request(request, options, Box::new(async { Ok(()) }));
    let (response, work) = Pin::from(sent).await?;
    let work = wasmtime_wasi::runtime::spawn(async move {
        _ = Pin::from(work).await;
    });
    Ok((response, work))
}

async fn send(outbound: &Outbound, request: Request<WasiBody>) -> Sent {
    send_with(outbound, request, None).await
}

async fn get(outbound: &Outbound, url: &str) -> Result<String, Error> {
    let (response, _work) = send(outbound, request("GET", url)).await?;
    let body = response.into_body().collect().await?.to_bytes();
    Ok(String::from_utf8_lossy(&body).into_owned())
}

fn denials(outbound: &Outbound) -> Vec<String> {
    outbound.trail.denials().collect()
}

fn secret(content: &str) -> (tempfile::NamedTempFile, Placed<TextOrSecret>) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), content).unwrap();
    let secret = SecretRef::File(file.path().to_owned());
    (file, TextOrSecret::Secret { secret }.into())
}

const HELLO: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
