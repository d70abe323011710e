//! Web pages read the answers where their origins are listed, and nowhere else.

use reqwest::{Method, RequestBuilder};
use sandglass_tests::mcp::send;
use sandglass_tests::{Answer, Host, Launch, sha256, tool};

const PAGE: &str = "https://app.example";
const TOKEN: &str = "a-token";

fn launch() -> Launch {
    let token = sha256(TOKEN);
    Launch::manifest(&format!(
        "version: 1\ntools: [\"file:{}\"]\nidentity:\n  tokens: [{{ sha256: {token}, name: page, scopes: [\"tools:*\"] }}]\n",
        tool("calculator")
    ))
}

async fn host() -> Host {
    launch().env("SANDGLASS_CORS_ORIGINS", PAGE).start().await
}

fn from(origin: &str, request: RequestBuilder) -> RequestBuilder {
    request.header("origin", origin)
}

/// What a browser asks before a page's request: it sends no credential.
async fn preflight(host: &Host, origin: &str, path: &str) -> Answer {
    let request = from(origin, host.request(Method::OPTIONS, path))
        .header("access-control-request-method", "POST")
        .header(
            "access-control-request-headers",
            "authorization,content-type,mcp-param-city",
        );
    send(request).await
}

#[tokio::test]
async fn a_listed_page_may_ask_and_read() {
    let host = host().await;
    for path in ["/mcp", "/mcp/tools", "/mcp/tools/add", "/openapi.json"] {
        let answer = preflight(&host, PAGE, path).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        assert_eq!(answer.header("access-control-allow-origin"), PAGE);
        for method in ["GET", "POST", "DELETE"] {
            let methods = answer.header("access-control-allow-methods");
            assert!(methods.contains(method), "{method}: {methods}");
        }
        assert_eq!(
            answer.header("access-control-allow-headers"),
            "authorization,content-type,mcp-param-city"
        );
        assert_eq!(answer.header("access-control-allow-credentials"), "");
    }
    let list = from(PAGE, host.request(Method::GET, "/mcp/tools"));
    let answer = send(list.bearer_auth(TOKEN)).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("access-control-allow-origin"), PAGE);
    let exposed = answer.header("access-control-expose-headers");
    for header in ["mcp-session-id", "retry-after", "www-authenticate"] {
        assert!(exposed.contains(header), "{header}: {exposed}");
    }
    assert!(answer.header("vary").contains("origin"), "{answer:?}");
}

#[tokio::test]
async fn a_listed_page_needs_its_credential_and_is_told_so() {
    let host = host().await;
    let answer = send(from(PAGE, host.request(Method::GET, "/mcp/tools"))).await;
    assert_eq!(answer.status, 401);
    assert_eq!(answer.header("access-control-allow-origin"), PAGE);
    // No preflight: nothing is asked of a browser.
    let answer = send(from(PAGE, host.request(Method::OPTIONS, "/mcp/tools"))).await;
    assert_eq!(answer.status, 401);
}

#[tokio::test]
async fn another_page_is_refused_and_cannot_read_why() {
    let host = host().await;
    for origin in ["https://other.example", "null"] {
        let list = from(origin, host.request(Method::GET, "/mcp/tools"));
        for answer in [
            preflight(&host, origin, "/mcp/tools").await,
            send(list.bearer_auth(TOKEN)).await,
        ] {
            assert_eq!(answer.status, 403, "{origin}: {answer:?}");
            assert_eq!(answer.header("access-control-allow-origin"), "");
        }
    }
}

#[tokio::test]
async fn a_page_may_ask_and_not_read_where_it_is_only_allowed() {
    let host = launch().arg("--allowed-origins").arg(PAGE).start().await;
    let list = from(PAGE, host.request(Method::GET, "/mcp/tools"));
    let answer = send(list.bearer_auth(TOKEN)).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("access-control-allow-origin"), "");
    assert_eq!(preflight(&host, PAGE, "/mcp/tools").await.status, 401);
}

#[tokio::test]
async fn what_no_browser_sends_is_no_origin() {
    for origin in ["https://app.example/", "*", "app.example", "null"] {
        let launch = launch().arg("--cors-origins").arg(origin);
        let finished = launch.run().await;
        assert_eq!(finished.code, Some(2), "{origin}: {finished:?}");
        assert!(
            finished.stderr.contains(origin) && finished.stderr.contains("https://app.example.com"),
            "{finished:?}"
        );
    }
}
