//! One span a call goes out over OTLP where the environment asks for it, and a collector that fails holds nothing up.

use std::io::Read;
use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use sandglass_tests::{Answer, Host, Launch, eventually};
use serde_json::json;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const TRACE_BYTES: [u8; 16] = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736_u128.to_be_bytes();

/// A collector that takes all that is sent and never answers. A gRPC client sends its first
/// request at once, and protobuf has texts as they are: so they can be seen in what came.
struct Collector {
    url: String,
    received: Arc<Mutex<Vec<u8>>>,
}

impl Collector {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let received = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&received);
        thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let kept = Arc::clone(&kept);
                thread::spawn(move || {
                    let mut piece = [0; 4_096];
                    while let Ok(length @ 1..) = stream.read(&mut piece) {
                        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                        kept.extend_from_slice(&piece[..length]);
                    }
                });
            }
        });
        Self { url, received }
    }

    fn times(&self, wanted: impl AsRef<[u8]>) -> usize {
        let wanted = wanted.as_ref();
        let received = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        let windows = received.windows(wanted.len());
        windows.filter(|window| *window == wanted).count()
    }
}

fn launch(collector: &Collector) -> Launch {
    Launch::serve()
        .env("OTEL_SERVICE_NAME", "the-tools")
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url)
        .env("OTEL_BSP_SCHEDULE_DELAY", "50")
        // In milliseconds: far longer than the host may wait for the collector when it ends.
        .env("OTEL_EXPORTER_OTLP_TIMEOUT", "600000")
}

async fn echo(host: &Host) {
    let call = host
        .prepare("echo", &json!({ "text": "hi" }))
        .header("traceparent", format!("00-{TRACE}-00f067aa0ba902b7-01"));
    let answer = Answer::read(call.send().await.expect("an answer")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn a_call_is_a_span_in_the_callers_trace() {
    let collector = Collector::start();
    let mut host = launch(&collector).start().await;
    host.assert_well().await;
    echo(&host).await;
    eventually("the span comes", async || {
        (collector.times("tools/call echo") > 0).then_some(())
    })
    .await;
    assert_eq!(collector.times("tools/call"), 1, "no span for /health");
    assert!(collector.times(TRACE_BYTES) > 0, "it joins the trace");
    for text in [
        "the-tools",
        "sandglass.tenant",
        "sandglass.fuel",
        "sandglass.peak_memory",
        "sandglass.outcome",
    ] {
        assert!(collector.times(text) > 0, "{text}");
    }
    // The collector never answered.
    host.terminate();
    assert_eq!(host.ended().await, Some(0), "{}", host.log());
}

#[tokio::test]
async fn nothing_is_sent_where_it_is_switched_off() {
    let collector = Collector::start();
    let mut host = launch(&collector)
        .env("OTEL_SDK_DISABLED", "true")
        .start()
        .await;
    echo(&host).await;
    host.terminate();
    assert_eq!(host.ended().await, Some(0));
    assert_eq!(collector.times("PRI * HTTP/2.0"), 0);
}
