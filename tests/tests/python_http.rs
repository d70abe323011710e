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

#[tokio::test]
async fn urllib_sends_bodies_and_headers_follows_redirects_and_knows_statuses() {
    let server = Server::start().await;
    let source = r#"
import urllib.error
import urllib.request

def post(url: str, size: int) -> list:
    request = urllib.request.Request(url, data=b"x" * size, headers={"X-Mine": "1"})
    with urllib.request.urlopen(request, timeout=5) as response:
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
