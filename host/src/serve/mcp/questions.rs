//! A guest's questions, as MCP asks them: within a session, or as the result of a request that its client makes again.

use std::collections::BTreeMap;

use futures::FutureExt;
use futures::future::{BoxFuture, ready, try_join_all};
use rmcp::ErrorData;
use rmcp::model::{
    ClientCapabilities, ClientResult, CreateMessageRequest, ElicitRequest, ElicitRequestParams,
    Implementation, InitializeRequestParams, InputRequest, InputRequiredResult, ListRootsRequest,
    ProtocolVersion, ServerRequest,
};
use rmcp::service::{Peer, RoleServer, ServiceError};
use serde_json::{Value, json};

use crate::invoke::{Client, InputRequired, InvokeError};
use crate::sandbox::Askable;
use crate::sandbox::bindings::{AskError, Question, QuestionKind};
use crate::serve::drain::{Drain, Draining};

/// What a client with these capabilities can be asked.
pub fn askable(capabilities: Option<&ClientCapabilities>) -> Askable {
    let Some(capabilities) = capabilities else {
        return Askable::default();
    };
    let (forms, urls) = match &capabilities.elicitation {
        None => (false, false),
        // Before there were modes there were forms.
        Some(modes) => (
            modes.form.is_some() || modes.url.is_none(),
            modes.url.is_some(),
        ),
    };
    Askable {
        forms,
        urls,
        samples: capabilities.sampling.is_some(),
        roots: capabilities.roots.is_some(),
    }
}

/// What a session keeps of its handshake: what it is asked for later, and nothing of any size. A session lives long, and
/// there are many.
pub fn kept(client: &InitializeRequestParams) -> InitializeRequestParams {
    let capabilities = capabilities(askable(Some(&client.capabilities)));
    InitializeRequestParams::new(capabilities, Implementation::default())
        .with_protocol_version(client.protocol_version.clone())
}

/// The capabilities that a client lacks (`error.data.requiredCapabilities`).
pub fn capabilities(missing: Askable) -> ClientCapabilities {
    let mut required = json!({});
    if missing.forms {
        required["elicitation"]["form"] = json!({});
    }
    if missing.urls {
        required["elicitation"]["url"] = json!({});
    }
    if missing.samples {
        required["sampling"] = json!({});
    }
    if missing.roots {
        required["roots"] = json!({});
    }
    serde_json::from_value(required).unwrap_or_default()
}

/// `resultType: "input_required"`
pub fn result(required: InputRequired) -> Result<InputRequiredResult, ErrorData> {
    let requests = required.questions.iter().map(|question| {
        let request = request(question).map_err(|problem| {
            ErrorData::internal_error(InvokeError::InvalidResult(problem).to_string(), None)
        })?;
        Ok((question.key.clone(), request))
    });
    let requests = requests.collect::<Result<_, ErrorData>>()?;
    Ok(InputRequiredResult::new(
        Some(requests),
        Some(required.state),
    ))
}

/// A question as a request to the client; the error says what is wrong with it.
pub fn request(question: &Question) -> Result<InputRequest, String> {
    let wrong = |problem: serde_json::Error| format!("its question `{}`: {problem}", question.key);
    let parse = |text: &str| serde_json::from_str::<Value>(text);
    Ok(match &question.ask {
        QuestionKind::ElicitForm(form) => {
            let schema = parse(&form.requested_schema).map_err(wrong)?;
            let params =
                json!({"mode": "form", "message": form.message, "requestedSchema": schema});
            let params: ElicitRequestParams = serde_json::from_value(params).map_err(wrong)?;
            InputRequest::Elicitation(ElicitRequest::new(params))
        }
        QuestionKind::ElicitUrl(page) => {
            let params = json!({
                "mode": "url",
                "message": page.message,
                "url": page.url,
                "elicitationId": page.elicitation_id,
            });
            let params: ElicitRequestParams = serde_json::from_value(params).map_err(wrong)?;
            InputRequest::Elicitation(ElicitRequest::new(params))
        }
        QuestionKind::Sample(params) => {
            let params = parse(params).and_then(serde_json::from_value);
            InputRequest::CreateMessage(CreateMessageRequest::new(params.map_err(wrong)?))
        }
        QuestionKind::ListRoots => InputRequest::ListRoots(ListRootsRequest::default()),
    })
}

/// The client of a session, which is asked while a call waits.
pub struct SessionClient {
    peer: Peer<RoleServer>,
    askable: Askable,
    drain: Drain,
}

impl SessionClient {
    /// At the other end of this session.
    pub fn new(peer: Peer<RoleServer>, askable: Askable, drain: Drain) -> Self {
        Self {
            peer,
            askable,
            drain,
        }
    }

    async fn ask_one(&self, question: &Question) -> Result<(String, Value), AskError> {
        let request = match request(question).map_err(AskError::Failed)? {
            InputRequest::CreateMessage(request) => ServerRequest::CreateMessageRequest(request),
            InputRequest::Elicitation(request) => ServerRequest::ElicitRequest(request),
            InputRequest::ListRoots(request) => ServerRequest::ListRootsRequest(request),
            _ => return Err(AskError::Failed("a question of an unknown kind".to_owned())),
        };
        let result: ClientResult = self.peer.send_request(request).await.map_err(failed)?;
        let result = serde_json::to_value(result)
            .map_err(|error| AskError::Failed(format!("its answer is not JSON: {error}")))?;
        Ok((question.key.clone(), result))
    }
}

/// Why a client of this revision cannot be asked these: forms had only primitive properties, and choices without titles,
/// before 2025-11-25 (SEP-1330).
fn unsupported(questions: &[Question], revision: &ProtocolVersion) -> Option<AskError> {
    if *revision >= ProtocolVersion::V_2025_11_25 {
        return None;
    }
    questions.iter().find(|question| {
        let QuestionKind::ElicitForm(form) = &question.ask else {
            return false;
        };
        let schema: Value = serde_json::from_str(&form.requested_schema).unwrap_or_default();
        let properties = schema["properties"].as_object().into_iter().flatten();
        properties
            .into_iter()
            .any(|(_, property)| property["type"] == "array" || property.get("oneOf").is_some())
    })?;
    Some(AskError::Unsupported(format!(
        "the client cannot be asked for a form with arrays or titled choices (`oneOf`): its revision {revision} has neither"
    )))
}

impl Client for SessionClient {
    fn askable(&self) -> Askable {
        self.askable
    }

    fn ask<'a>(
        &'a self,
        questions: &'a [Question],
    ) -> BoxFuture<'a, Result<BTreeMap<String, Value>, AskError>> {
        let client = self.peer.peer_info();
        if let Some(client) = client
            && let Some(error) = unsupported(questions, &client.protocol_version)
        {
            return ready(Err(error)).boxed();
        }
        // In the task of the request, by which rmcp knows to which stream they belong.
        let asking = try_join_all(questions.iter().map(|question| self.ask_one(question)));
        let answers = asking.map(|answers| answers.map(|answers| answers.into_iter().collect()));
        unless_draining(&self.drain, answers).boxed()
    }
}

/// Nobody waits for answers that a server which is ending could not use.
pub async fn unless_draining<T>(
    drain: &Drain,
    answers: impl Future<Output = Result<T, AskError>>,
) -> Result<T, AskError> {
    tokio::select! {
        answers = answers => answers,
        () = drain.draining() => Err(AskError::Failed(Draining::Refused.to_string())),
    }
}

fn failed(error: ServiceError) -> AskError {
    match error {
        ServiceError::Timeout { .. } => AskError::TimedOut,
        ServiceError::McpError(error) => {
            AskError::Failed(format!("the client answered: {}", error.message))
        }
        error => AskError::Failed(format!("the client did not answer: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::sandbox::bindings::FormElicitation;

    #[test]
    fn a_client_can_be_asked_what_it_says() {
        for (capabilities, expected) in [
            (json!({}), (false, false, false, false)),
            (json!({"elicitation": {}}), (true, false, false, false)),
            (
                json!({"elicitation": {"url": {}}}),
                (false, true, false, false),
            ),
            (
                json!({"elicitation": {"url": {}, "form": {}}, "roots": {}}),
                (true, true, false, true),
            ),
            (json!({"sampling": {}}), (false, false, true, false)),
        ] {
            let capabilities = serde_json::from_value(capabilities).unwrap();
            let can = askable(Some(&capabilities));
            assert_eq!((can.forms, can.urls, can.samples, can.roots), expected);
        }
        assert!(askable(None).is_nothing());
    }

    #[test]
    fn a_session_keeps_what_its_client_can_be_asked() {
        for capabilities in [
            json!({}),
            json!({"elicitation": {}}),
            json!({"elicitation": {"url": {}, "form": {}}, "roots": {"listChanged": true}}),
            json!({"sampling": {"tools": {}}, "experimental": {"x": {"y": "z".repeat(10_000)}}}),
        ] {
            let capabilities: ClientCapabilities = serde_json::from_value(capabilities).unwrap();
            let client = Implementation::new("z".repeat(10_000), "1");
            let client = InitializeRequestParams::new(capabilities.clone(), client);
            let kept = kept(&client);
            assert_eq!(
                askable(Some(&kept.capabilities)),
                askable(Some(&capabilities))
            );
            assert!(serde_json::to_vec(&kept).unwrap().len() < 500);
        }
    }

    #[test]
    fn what_is_missing_is_named_as_capabilities() {
        let missing = Askable {
            samples: true,
            urls: true,
            ..Askable::default()
        };
        assert_eq!(
            serde_json::to_value(capabilities(missing)).unwrap(),
            json!({"sampling": {}, "elicitation": {"url": {}}})
        );
    }

    #[test]
    fn a_form_is_for_clients_whose_revision_has_its_kind() {
        for (property, is_old) in [
            (
                json!({"type": "string", "enum": ["a"], "enumNames": ["A"]}),
                true,
            ),
            (
                json!({"type": "string", "oneOf": [{"const": "a", "title": "A"}]}),
                false,
            ),
            (
                json!({"type": "array", "items": {"type": "string", "enum": ["a"]}}),
                false,
            ),
        ] {
            let schema = json!({"type": "object", "properties": {"it": property}});
            let question = Question {
                key: "form".to_owned(),
                ask: QuestionKind::ElicitForm(FormElicitation {
                    message: "Which?".to_owned(),
                    requested_schema: schema.to_string(),
                }),
            };
            let refused =
                |revision| unsupported(std::slice::from_ref(&question), &revision).is_some();
            assert_eq!(refused(ProtocolVersion::V_2025_06_18), !is_old, "{schema}");
            assert!(!refused(ProtocolVersion::V_2025_11_25), "{schema}");
        }
    }

    #[test]
    fn a_form_goes_to_the_client_as_it_was_written() {
        let schema = json!({
            "type": "object",
            "properties": {
                "name": {"type": "string", "default": "John"},
                "one": {"type": "string", "enum": ["a", "b"], "enumNames": ["A", "B"]},
                "titled": {"type": "string", "oneOf": [{"const": "a", "title": "A"}]},
                "many": {"type": "array", "items": {"type": "string", "enum": ["a", "b"]}},
                "age": {"type": "integer", "default": 30},
                "sure": {"type": "boolean", "default": true},
            },
            "required": ["name"],
        });
        let question = Question {
            key: "form".to_owned(),
            ask: QuestionKind::ElicitForm(FormElicitation {
                message: "Who?".to_owned(),
                requested_schema: schema.to_string(),
            }),
        };
        let asked = serde_json::to_value(request(&question).unwrap()).unwrap();
        assert_eq!(asked["params"]["requestedSchema"], schema);
    }
}
