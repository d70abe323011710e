//! A client with a person and a model behind it: it answers what it is asked in the middle of a request, in both eras.

use reqwest::Response;
use serde_json::{Value, json};

use crate::mcp::{self, Session, Way};
use crate::{Answer, Host};

/// How often a request may ask before the test gives up.
const ROUNDS: usize = 8;

/// A request from its beginning to its answer.
#[derive(Debug, Default)]
pub struct Talk {
    /// The JSON-RPC message that answers it.
    pub answer: Value,
    /// What it asked, each with `method` and `params`.
    pub asked: Vec<Value>,
    /// The notifications that came before the answer.
    pub notices: Vec<Value>,
}

impl Talk {
    /// The result of the request.
    pub fn result(&self) -> &Value {
        self.answer
            .get("result")
            .unwrap_or_else(|| panic!("no result: {self:?}"))
    }
}

/// Sends a request as a client that can be asked anything, and answers each question with the result that `answer`
/// gives for its method and parameters.
pub async fn talk(
    way: Way,
    host: &Host,
    method: &str,
    mut params: Value,
    answer: impl Fn(&str, &Value) -> Value,
) -> Talk {
    params["_meta"]["progressToken"] = json!("talk");
    match way {
        Way::Bare => panic!("a bare client cannot be asked"),
        Way::Modern => modern(host, method, params, answer).await,
        Way::Session => session(host, method, params, answer).await,
    }
}

fn capabilities() -> Value {
    json!({ "elicitation": { "form": {}, "url": {} }, "sampling": {}, "roots": {} })
}

/// Comes back with the answers until there is a result.
async fn modern(
    host: &Host,
    method: &str,
    mut params: Value,
    answer: impl Fn(&str, &Value) -> Value,
) -> Talk {
    params = mcp::of_client(capabilities(), params);
    let mut talk = Talk::default();
    for _ in 0..ROUNDS {
        let sent = mcp::send(mcp::modern(host, method, params.clone())).await;
        let answered = sent.message();
        talk.notices.extend(notices(&sent));
        if answered["result"]["resultType"] != "input_required" {
            talk.answer = answered;
            return talk;
        }
        params["requestState"] = answered["result"]["requestState"].clone();
        let asked = answered["result"]["inputRequests"].as_object();
        for (key, request) in asked.expect("what is asked") {
            params["inputResponses"][key] = respond(request, &answer);
            talk.asked.push(request.clone());
        }
    }
    panic!("it asks and asks: {talk:?}");
}

fn notices(sent: &Answer) -> impl Iterator<Item = Value> {
    let messages = sent.messages().into_iter();
    messages.filter(|message| message.get("id").is_none())
}

fn respond(request: &Value, answer: impl Fn(&str, &Value) -> Value) -> Value {
    let method = request["method"].as_str().expect("a method");
    answer(method, &request["params"])
}

/// Answers while the request waits.
async fn session(
    host: &Host,
    method: &str,
    params: Value,
    answer: impl Fn(&str, &Value) -> Value,
) -> Talk {
    let mut client = mcp::initialize(mcp::LEGACY_REVISIONS[3]);
    client["capabilities"] = capabilities();
    let session = Session::with(host, client).await;
    let request = session.prepare(&mcp::message(method, params));
    let mut stream = Events::new(request.send().await.expect("the host answers"));
    let mut talk = Talk::default();
    loop {
        let message = stream.next().await;
        match (message.get("method"), message.get("id")) {
            (Some(_), Some(id)) => {
                let result = respond(&message, &answer);
                let reply = json!({ "jsonrpc": "2.0", "id": id, "result": result });
                let taken = mcp::send(session.prepare(&reply)).await;
                assert_eq!(taken.status, 202, "{taken:?}");
                talk.asked.push(message);
            }
            (Some(_), None) => talk.notices.push(message),
            _ => {
                talk.answer = message;
                break;
            }
        }
    }
    session.end().await;
    talk
}

/// The messages of an event stream, as they come.
struct Events {
    response: Response,
    text: String,
}

impl Events {
    fn new(response: Response) -> Self {
        Self {
            response,
            text: String::new(),
        }
    }

    async fn next(&mut self) -> Value {
        loop {
            while let Some((line, rest)) = self.text.split_once('\n') {
                let data = line.strip_prefix("data:").map(str::trim);
                let message = data.and_then(|data| serde_json::from_str(data).ok());
                self.text = rest.to_owned();
                if let Some(message) = message {
                    return message;
                }
            }
            let chunk = self.response.chunk().await.expect("the stream goes on");
            let chunk = chunk.unwrap_or_else(|| panic!("it ends without an answer"));
            self.text
                .push_str(std::str::from_utf8(&chunk).expect("whole characters"));
        }
    }
}
