//! Inline Python's way out: `urllib.request` and `os.environ`, within what is granted.

use sandglass_tests::cluster::guide::WEATHER;
use sandglass_tests::{Host, Launch, Server, manifest, serve_python};
use serde_json::json;

#[tokio::test]
async fn the_weather_tool_answers_its_own_error_where_nothing_is_granted() {
    let host = serve_python(WEATHER).await;
    let answer = host.call("get_weather", json!({ "city": "Oslo" })).await;
    let told = answer.json()["result"].as_str().expect("a text").to_owned();
    assert!(told.starts_with("Error: "), "{told}");
    assert!(
        told.contains("not allowed to reach https://api.weather.com"),
        "{told}"
    );
}

/// The weather tool against a server of the test's own.
fn weather_at(server: &Server) -> String {
    WEATHER
        .replace(
            "https://api.weather.com/v1/current",
            &server.url("/v1/current"),
        )
        .replace(
            "data = json.loads(response.read())",
            "data = {'temp': response.status, 'conditions': response.read().decode()}",
        )
}

#[tokio::test]
async fn the_environment_grants_variables_and_hosts() {
    let server = Server::start().await;
    let launch = Launch::serve()
        .env("MCP_TOOLS_STRING", weather_at(&server))
        .env("WEATHER_API_KEY", "k3y")
        .env("SANDGLASS_ALLOW_ENV", "WEATHER_API_KEY")
        .env(
            "SANDGLASS_ALLOW_HTTP",
            format!("127.0.0.1:{}", server.port()),
        );
    let host = launch.start().await;
    let answer = host.call("get_weather", json!({ "city": "Oslo" })).await;
    // Granted by name; that it is no address of the internet is another matter, which only a manifest can allow.
    assert!(answer.body.contains("Error: "), "{answer:?}");
    assert!(answer.body.contains("private"), "{answer:?}");
    assert_eq!(server.seen().len(), 0);
}

#[tokio::test]
async fn a_manifest_grants_variables_and_hosts() {
    let server = Server::start().await;
    let tool = json!({
        "python": weather_at(&server),
        "name": "weather",
        "allow": {
            "env": { "WEATHER_API_KEY": "k3y" },
            "http": [{ "host": "127.0.0.1", "port": server.port(), "private": true }],
        },
    });
    let host = Host::start(&manifest(&json!([tool]))).await;
    let answer = host.call("get_weather", json!({ "city": "Oslo" })).await;
    assert_eq!(answer.json()["result"], "Oslo: 200°C, hello", "{answer:?}");
    assert_eq!(server.seen()[0].path, "/v1/current?city=Oslo&key=k3y");
}

/// A host with a source that may reach the server, and nothing else.
async fn reaching(server: &Server, source: &str) -> Host {
    let allow =
        json!({ "http": [{ "host": "127.0.0.1", "port": server.port(), "private": true }] });
    Host::start(&manifest(&json!([{ "python": source, "allow": allow }]))).await
}

#[tokio::test]
async fn a_response_that_is_not_read_to_its_end_ends_with_its_call() {
    let server = Server::start().await;
    let weather = WEATHER.replace(
        "https://api.weather.com/v1/current",
        &server.url("/status/401"),
    );
    let source = weather
        + r#"
import gc

def status(url: str) -> int:
    return urllib.request.urlopen(url).status

def two(url: str) -> str:
    return urllib.request.urlopen(url).read(2).decode()

def collected(url: str) -> list:
    """The error, and the response with it, is of a circle, which only the garbage collector finds."""
    def refused():
        try:
            urllib.request.urlopen(url)
        except Exception as error:
            error.own = error
            return error.code
    return [refused(), refused(), gc.collect() > 0]
"#;
    let host = reaching(&server, &source).await;
    let answer = host.call("get_weather", json!({ "city": "Oslo" })).await;
    let told = "Error: HTTP Error 401: Unauthorized";
    assert_eq!(answer.json()["result"], told, "{answer:?}");
    let loud = server.url("/status/401");
    let over = server.url("/bytes?200000");
    for (tool, url, result) in [
        ("status", &over, json!(200)),
        ("two", &over, json!("xx")),
        ("collected", &loud, json!([401, 401, true])),
    ] {
        let answer = host.call(tool, json!({ "url": url })).await;
        assert_eq!(answer.json()["result"], result, "{tool}: {answer:?}");
    }
    for status in [304, 307, 404, 500] {
        let url = server.url(&format!("/status/{status}"));
        let answer = host.call("status", json!({ "url": url })).await;
        assert!(
            answer.error().contains(&format!("HTTP Error {status}")),
            "{answer:?}"
        );
    }
    let again = server.url("/redirect?/redirect");
    let answer = host.call("status", json!({ "url": again })).await;
    assert!(answer.error().contains("HTTP Error 302"), "{answer:?}");
}

#[tokio::test]
async fn a_url_that_cannot_be_sent_is_refused_with_its_reason() {
    let server = Server::start().await;
    let source = weather_at(&server)
        + r#"
def get(url: str, method: str = "GET") -> str:
    with urllib.request.urlopen(urllib.request.Request(url, method=method)) as response:
        return response.read().decode()
"#;
    let host = reaching(&server, &source).await;
    let answer = host
        .call("get_weather", json!({ "city": "New York" }))
        .await;
    let told = "Error: URL can't contain control characters. '/v1/current?city=New York&key=' (found at least ' ')";
    assert_eq!(answer.json()["result"], told, "{answer:?}");
    let named = format!("http://me:pa55@127.0.0.1:{}/", server.port());
    let answer = host.call("get", json!({ "url": named })).await;
    let told = answer.error();
    assert!(told.contains("no user and no password"), "{told}");
    assert!(!told.contains("pa55"), "{told}");
    let wrong = json!({ "url": server.url("/"), "method": "GE T" });
    let answer = host.call("get", wrong).await;
    assert_eq!(answer.error(), "'GE T' is no method of HTTP");
    assert_eq!(server.seen().len(), 0);
    let odd = server.url("/a{b|c}?d=\"ü\"%20");
    let answer = host.call("get", json!({ "url": odd })).await;
    assert_eq!(answer.json()["result"], "hello", "{answer:?}");
    assert_eq!(server.seen()[0].path, "/a%7Bb%7Cc%7D?d=%22%C3%BC%22%20");
}

#[tokio::test]
async fn limits_of_http_are_told_by_their_names() {
    let server = Server::start().await;
    let source = r#"
import urllib.request

def size(url: str, times: int = 1) -> int:
    return [len(urllib.request.urlopen(url).read()) for _ in range(times)][0]
"#;
    let host = reaching(&server, source).await;
    let much = json!({ "url": server.url("/bytes?8388609") });
    let answer = host.call("size", much).await;
    assert!(
        answer.error().contains("limit: 8388608 bytes"),
        "{answer:?}"
    );
    let just = json!({ "url": server.url("/bytes?8388608") });
    let answer = host.call("size", just).await;
    assert_eq!(answer.json()["result"], 8_388_608, "{answer:?}");
    let many = json!({ "url": server.url("/"), "times": 65 });
    let answer = host.call("size", many).await;
    assert!(
        answer.error().contains("limits.http.requests"),
        "{answer:?}"
    );
}

#[tokio::test]
async fn urllib_sends_bodies_and_headers_follows_redirects_and_knows_statuses() {
    let server = Server::start().await;
    let source = r#"
import urllib.error
import urllib.request

def post(url: str, size: int) -> list:
    request = urllib.request.Request(url, data=b"x" * size, headers={"X-Mine": "1"})
    with urllib.request.urlopen(request, timeout=60) as response:
        return [response.status, response.reason, response.getheader("nothing"), response.read(2).decode(), response.read().decode()]

def opener(url: str) -> int:
    with urllib.request.build_opener(urllib.request.HTTPCookieProcessor()).open(url) as response:
        return len(response.read())

def redirected(url: str) -> str:
    with urllib.request.urlopen(url) as response:
        return response.geturl() + " " + response.read().decode()
"#;
    let allow =
        json!({ "http": [{ "host": "127.0.0.1", "port": server.port(), "private": true }] });
    let host = Host::start(&manifest(&json!([{ "python": source, "allow": allow }]))).await;
    let answer = host
        .call("post", json!({ "url": server.url("/x"), "size": 100_000 }))
        .await;
    assert_eq!(
        answer.json()["result"],
        json!([200, "OK", null, "he", "llo"]),
        "{answer:?}"
    );
    assert_eq!(server.bytes(), 100_000);
    let seen = server.seen().remove(0);
    assert_eq!(
        (seen.method.as_str(), &seen.headers["x-mine"]),
        ("POST", &"1".parse().expect("a value"))
    );
    let answer = host
        .call("opener", json!({ "url": server.url("/bytes?200000") }))
        .await;
    assert_eq!(answer.json()["result"], 200_000, "{answer:?}");
    let to = server.url("/there");
    let answer = host
        .call(
            "redirected",
            json!({ "url": server.url(&format!("/redirect?{to}")) }),
        )
        .await;
    assert_eq!(answer.json()["result"], format!("{to} hello"), "{answer:?}");
}
