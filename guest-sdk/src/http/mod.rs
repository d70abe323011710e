//! Requests to the hosts that the operator grants (`allow.http` in the manifest).
//!
//! ```no_run
//! use sandglass_sdk::{http, schemars::{self, JsonSchema}, serde::{Deserialize, Serialize}, tool};
//!
//! #[derive(Serialize, Deserialize, JsonSchema)]
//! # #[serde(crate = "sandglass_sdk::serde")]
//! struct Weather {
//!     celsius: f64,
//! }
//!
//! /// The weather in a city.
//! #[tool(read_only)]
//! fn weather(city: String) -> Result<Weather, http::Error> {
//!     http::get("https://api.weather.example/v1/now")
//!         .query("city", &city)
//!         .send()?
//!         .error_for_status()?
//!         .json()
//! }
//!
//! /// The warmer one of two cities.
//! #[tool(read_only)]
//! async fn warmer(one: String, other: String) -> Result<String, http::Error> {
//!     let now = async |city: &str| -> Result<Weather, http::Error> {
//!         let request = http::get("https://api.weather.example/v1/now").query("city", city);
//!         request.send_async().await?.error_for_status()?.json()
//!     };
//!     // Both requests are on their way at once.
//!     let (first, second) = futures::future::try_join(now(&one), now(&other)).await?;
//!     Ok(if first.celsius > second.celsius { one } else { other })
//! }
//! ```
//!
//! A redirect is the tool's to follow: it comes as any other response. The host bounds how many requests a call may
//! make, and how many bytes it may send and receive; waiting counts against the call's `timeout`.
//!
//! In native tests [`testing::answer_http`](crate::testing::answer_http) is the world outside.

mod error;
#[cfg(target_arch = "wasm32")]
mod exchange;
#[cfg(not(target_arch = "wasm32"))]
#[path = "absent.rs"]
mod exchange;

pub use ::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use ::http::{Uri, header::CONTENT_TYPE};
pub use error::{Error, Limit, Target};
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use exchange::answer_with;
use serde::{Serialize, de::DeserializeOwned};

/// A request that is being put together; [`send`](Self::send) or [`send_async`](Self::send_async) sends it.
///
/// ```
/// use sandglass_sdk::{http, serde_json::json};
///
/// let request = http::post("https://api.example.com/notes")
///     .query("list", "to do & done")
///     .header("x-trace", "7")
///     .json(&json!({"text": "water the plants"}));
/// assert_eq!(request.url(), "https://api.example.com/notes?list=to+do+%26+done");
/// ```
#[derive(Debug)]
#[must_use = "a request does nothing until it is sent"]
pub struct Request {
    method: Method,
    url: String,
    headers: HeaderMap,
    body: Vec<u8>,
    /// The first thing that was wrong with it.
    wrong: Option<Error>,
}

/// What a server answered, whole.
///
/// ```
/// use sandglass_sdk::{http, testing};
///
/// testing::answer_http(|request| {
///     assert_eq!(request.method(), http::Method::GET);
///     testing::HttpAnswer::new(200, "fine").with_header("content-type", "text/plain")
/// });
/// let response = http::get("https://example.com/").send()?;
/// assert_eq!(response.status(), http::StatusCode::OK);
/// assert_eq!(response.header("content-type"), Some("text/plain"));
/// assert_eq!(response.text()?, "fine");
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Response {
    target: Target,
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

/// A GET request.
///
/// ```
/// # sandglass_sdk::testing::answer_http(|_| sandglass_sdk::testing::HttpAnswer::new(200, "[1, 2]"));
/// let numbers: Vec<u8> = sandglass_sdk::http::get("https://example.com/numbers").send()?.json()?;
/// # assert_eq!(numbers, [1, 2]);
/// # Ok::<(), sandglass_sdk::http::Error>(())
/// ```
pub fn get(url: impl Into<String>) -> Request {
    Request::new(Method::GET, url)
}

/// A POST request, with a body by [`Request::json`] or [`Request::body`].
///
/// ```
/// # sandglass_sdk::testing::answer_http(|request| sandglass_sdk::testing::HttpAnswer::new(201, request.body().to_vec()));
/// let response = sandglass_sdk::http::post("https://example.com/notes").json(&["a"]).send()?;
/// # assert_eq!(response.text()?, "[\"a\"]");
/// # Ok::<(), sandglass_sdk::http::Error>(())
/// ```
pub fn post(url: impl Into<String>) -> Request {
    Request::new(Method::POST, url)
}

impl Request {
    /// A request with any method.
    ///
    /// ```
    /// use sandglass_sdk::http::{Method, Request};
    ///
    /// let request = Request::new(Method::DELETE, "https://example.com/notes/1");
    /// assert_eq!(request.method(), Method::DELETE);
    /// ```
    pub fn new(method: Method, url: impl Into<String>) -> Self {
        Self {
            method,
            url: url.into(),
            headers: HeaderMap::new(),
            body: Vec::new(),
            wrong: None,
        }
    }

    /// Its method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// Its URL, with what [`query`](Self::query) added.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Adds `name=value` to the URL's query; what has a meaning in URLs is encoded.
    pub fn query(mut self, name: &str, value: impl AsRef<str>) -> Self {
        self.url
            .push(if self.url.contains('?') { '&' } else { '?' });
        let pair = form_urlencoded::Serializer::new(String::new())
            .append_pair(name, value.as_ref())
            .finish();
        self.url.push_str(&pair);
        self
    }

    /// Adds a header. Credentials are better set by the operator, in the rule that grants the host: then the tool never
    /// sees them.
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        match (
            HeaderName::try_from(name),
            HeaderValue::from_bytes(value.as_ref()),
        ) {
            (Ok(name), Ok(value)) => {
                self.headers.append(name, value);
            }
            (Err(_), _) => self.is_wrong(format!("`{name}` can't be the name of a header")),
            // Not the value: it may be a secret.
            (_, Err(_)) => {
                self.is_wrong(format!("the value of `{name}` can't be that of a header"))
            }
        }
        self
    }

    /// Sets the body.
    ///
    /// ```
    /// # use sandglass_sdk::{http, testing};
    /// # testing::answer_http(|request| testing::HttpAnswer::new(200, request.body().clone()));
    /// let echoed = http::post("https://example.com/echo").header("content-type", "text/plain").body("hello").send()?;
    /// assert_eq!(echoed.text()?, "hello");
    /// # Ok::<(), http::Error>(())
    /// ```
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sets the body to a value as JSON, with its content type.
    pub fn json(mut self, value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(json) => {
                self.headers
                    .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                self.body(json)
            }
            Err(error) => {
                self.is_wrong(format!("the body can't be written as JSON: {error}"));
                self
            }
        }
    }

    /// Sends it and waits for the whole answer. In an `async` tool this holds up all that goes on at once.
    ///
    /// ```
    /// # use sandglass_sdk::{http, testing};
    /// # testing::answer_http(|_| testing::HttpAnswer::new(404, ""));
    /// let response = http::get("https://example.com/maybe").send()?;
    /// assert_eq!(response.status(), http::StatusCode::NOT_FOUND);
    /// # Ok::<(), http::Error>(())
    /// ```
    ///
    /// # Errors
    /// The request can't be made, is not granted, or the server can't be reached. An answer with any status is none.
    pub fn send(self) -> Result<Response, Error> {
        let (target, request) = self.ready()?;
        exchange::blocking(&target, request).map(|response| Response::new(target, response))
    }

    /// Sends it and waits for the whole answer, while the tool's other futures go on.
    ///
    /// ```
    /// use sandglass_sdk::{http, tool};
    ///
    /// /// How long two pages are together.
    /// #[tool]
    /// async fn lengths(one: String, other: String) -> Result<usize, http::Error> {
    ///     let (one, other) = (http::get(one).send_async(), http::get(other).send_async());
    ///     let (one, other) = futures::future::try_join(one, other).await?;
    ///     Ok(one.bytes().len() + other.bytes().len())
    /// }
    /// ```
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn send_async(self) -> Result<Response, Error> {
        let (target, request) = self.ready()?;
        exchange::waiting(&target, request)
            .await
            .map(|response| Response::new(target, response))
    }

    /// Where it goes, and all of it.
    fn ready(self) -> Result<(Target, ::http::Request<Vec<u8>>), Error> {
        if let Some(wrong) = self.wrong {
            return Err(wrong);
        }
        let uri: Uri = self
            .url
            .parse()
            .map_err(|error| Error::Invalid(format!("the URL can't be read: {error}")))?;
        let target = Target::new(&self.method, &uri)?;
        let mut request = ::http::Request::new(self.body);
        *request.method_mut() = self.method;
        *request.uri_mut() = uri;
        *request.headers_mut() = self.headers;
        Ok((target, request))
    }

    fn is_wrong(&mut self, reason: String) {
        self.wrong.get_or_insert(Error::Invalid(reason));
    }
}

impl Response {
    fn new(target: Target, response: ::http::Response<Vec<u8>>) -> Self {
        let (parts, body) = response.into_parts();
        Self {
            target,
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }

    /// Its status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// All its headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The first header of this name, if there is one and it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The same response, if its status is not one of 400 and above.
    ///
    /// ```
    /// use sandglass_sdk::{http, testing};
    ///
    /// testing::answer_http(|_| testing::HttpAnswer::new(404, "no such city"));
    /// let error = http::get("https://example.com/a?key=1").send()?.error_for_status().unwrap_err();
    /// assert_eq!(error.to_string(), "GET https://example.com/a: the server answered 404 Not Found: no such city");
    /// # Ok::<(), http::Error>(())
    /// ```
    ///
    /// # Errors
    /// It is; with the beginning of the body.
    pub fn error_for_status(self) -> Result<Self, Error> {
        if self.status.is_client_error() || self.status.is_server_error() {
            return Err(Error::status(self.target, self.status, &self.body));
        }
        Ok(self)
    }

    /// The body as JSON.
    ///
    /// ```
    /// # use sandglass_sdk::{http, testing};
    /// # testing::answer_http(|_| testing::HttpAnswer::new(200, "[1, 2]"));
    /// let response = http::get("https://example.com/numbers").send()?;
    /// assert_eq!(response.json::<(u8, u8)>()?, (1, 2));
    /// let error = response.json::<bool>().unwrap_err().to_string();
    /// assert!(error.starts_with("GET https://example.com/numbers: the answer is not the JSON that was expected"));
    /// # Ok::<(), http::Error>(())
    /// ```
    ///
    /// # Errors
    /// It is none, or does not fit the type.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body).map_err(|error| Error::Unexpected {
            target: self.target.clone(),
            reason: format!("is not the JSON that was expected: {error}"),
        })
    }

    /// The body as text.
    ///
    /// # Errors
    /// It is no UTF-8.
    pub fn text(self) -> Result<String, Error> {
        String::from_utf8(self.body).map_err(|error| Error::Unexpected {
            target: self.target,
            reason: format!("is no text: {}", error.utf8_error()),
        })
    }

    /// The body as it came.
    pub fn bytes(&self) -> &[u8] {
        &self.body
    }
}

#[cfg(test)]
mod tests {
    use super::{Method, Request, get, post};
    use crate::testing::{HttpAnswer, answer_http};

    #[test]
    fn a_request_goes_out_as_it_was_put_together() {
        answer_http(|request| {
            let header = |name: &str| request.headers()[name].to_str().unwrap().to_owned();
            assert_eq!(request.method(), Method::POST);
            assert_eq!(request.uri(), "http://127.0.0.1:9/a?b=1&c=%C3%A4+%26");
            assert_eq!(header("content-type"), "application/json");
            assert_eq!(header("x-a"), "1");
            HttpAnswer::new(200, request.body().clone())
        });
        let request = post("http://127.0.0.1:9/a?b=1").query("c", "ä &");
        let request = request.header("x-a", "1").json(&[1, 2]);
        let answer = crate::executor::block_on(request.send_async()).unwrap();
        assert_eq!(answer.json::<Vec<u8>>().unwrap(), [1, 2]);
        assert!(answer.json::<String>().is_err());
        assert_eq!(answer.bytes(), b"[1,2]");
    }

    #[test]
    fn what_is_no_request_says_why_without_telling_secrets() {
        let message = |request: Request| request.send().unwrap_err().to_string();
        for (url, reason) in [
            ("", "the URL can't be read"),
            ("/a", "must begin with `http://` or `https://`"),
            (
                "ftp://example.com/",
                "must begin with `http://` or `https://`",
            ),
            ("https://ada:geheim@example.com/", "must not have a user"),
        ] {
            let told = message(get(url));
            assert!(told.contains(reason) && !told.contains("geheim"), "{told}");
        }
        let told = message(
            get("https://example.com/")
                .header("a b", "1")
                .header("c", "1\n"),
        );
        assert_eq!(told, "`a b` can't be the name of a header");
        let told = message(get("https://example.com/").header("key", "geheim\n"));
        assert_eq!(told, "the value of `key` can't be that of a header");
    }
}
