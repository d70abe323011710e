//! Questions in the middle of a call (`host.ask`), by replay.
//!
//! A guest that asks is ended. Once there are answers it is run again from its start, with the same clock and the same
//! randomness, and is given them when it comes to the same question. From there on both are what the answers make of them. So
//! nothing of a call is kept while a person thinks, and authors have one rule: what happens before a question may happen again.

use std::collections::BTreeMap;
use std::time::SystemTime;

use sandglass_text::Line;
use sandglass_text::hidden::Kind as Text;
use sandglass_text::walk::{self, Found};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::bindings::{
    Answer, AskError, ElicitationAction, ElicitationAnswer, FormElicitation, Question,
    QuestionKind, Root, UrlElicitation,
};
use super::origin::{Course, Origin};
use crate::schema::Form;

/// Rounds of questions in one call: each runs it again.
const MAX_ROUNDS: usize = 32;

/// Questions of one round.
const MAX_QUESTIONS: usize = 32;

/// Bytes of the forms of one round.
const MAX_FORMS: usize = 16 << 10;

/// Bytes of what they are filled in with.
const MAX_FILLED_IN: usize = 64 << 10;

/// What a client can be asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Askable {
    /// Forms for a person.
    pub forms: bool,
    /// Pages for a person to open.
    pub urls: bool,
    /// Messages of a model.
    pub samples: bool,
    /// Folders to work on.
    pub roots: bool,
}

/// The kind of a question, and of its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A form for a person.
    Form,
    /// A page for a person to open.
    Url,
    /// A message of a model.
    Sample,
    /// Folders to work on.
    Roots,
}

/// Questions that were asked together, and what came of them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Round {
    asked: Vec<(String, Kind)>,
    answers: Result<Vec<Answer>, AskError>,
    /// When it ended.
    answered: SystemTime,
}

/// What has come since the guest asked.
#[derive(Debug, Default)]
pub enum Fresh {
    /// Nothing.
    #[default]
    Nothing,
    /// Answers as the client sent them, by the questions' keys.
    Answers(BTreeMap<String, Value>),
    /// No answers, and why.
    Failure(AskError),
}

/// What a call knows of those that its guest can ask.
#[derive(Debug, Default)]
pub struct Dialogue {
    /// Where its clock and its randomness begin.
    pub origin: Origin,
    /// What the client can be asked.
    pub askable: Askable,
    /// The rounds that are over.
    pub rounds: Vec<Round>,
    /// What has come for the round after them.
    pub fresh: Fresh,
    /// The questions at which the guest was ended.
    pub asked: Vec<Question>,
    /// What the guest was told that the client cannot be asked.
    pub refused: Askable,
    /// Rounds that this run has come past.
    passed: usize,
    /// What they make of its clock and its randomness.
    pub(super) course: Course,
    /// Notices of earlier runs, which this one repeats.
    pub told_before: u32,
    /// Notices of this run.
    pub told: u32,
}

/// The guest has asked, and is ended.
#[derive(Debug, thiserror::Error)]
#[error("the guest has asked")]
pub(super) struct Asked;

impl Dialogue {
    /// With a client that can be asked this.
    pub fn new(askable: Askable) -> Self {
        Self {
            askable,
            ..Self::default()
        }
    }

    /// The answers where there are some; else the guest must end.
    pub(super) fn ask(
        &mut self,
        mut questions: Vec<Question>,
    ) -> Result<Result<Vec<Answer>, AskError>, Asked> {
        if let Err(error) = self.check(&questions).and_then(|()| settle(&mut questions)) {
            return Ok(Err(error));
        }
        let asked: Vec<_> = questions
            .iter()
            .map(|question| (question.key.clone(), Kind::of(question)))
            .collect();
        if let Some(round) = self.rounds.get(self.passed) {
            self.passed += 1;
            round.pass(&self.course);
            if round.asked != asked {
                return Ok(Err(AskError::Failed(
                    "run again for an answer, the tool asked something else: what comes before a question must come to the same again".to_owned(),
                )));
            }
            return Ok(round.answers.clone());
        }
        if self.passed == MAX_ROUNDS {
            return Ok(Err(AskError::Failed(format!(
                "a call can ask {MAX_ROUNDS} times"
            ))));
        }
        let answers = match std::mem::take(&mut self.fresh) {
            Fresh::Nothing => None,
            Fresh::Answers(given) => read(&questions, &given).map(Ok),
            Fresh::Failure(error) => Some(Err(error)),
        };
        let Some(answers) = answers else {
            self.asked = questions;
            return Err(Asked);
        };
        let round = Round {
            asked,
            answers: answers.clone(),
            answered: SystemTime::now(),
        };
        round.pass(&self.course);
        self.rounds.push(round);
        self.passed += 1;
        Ok(answers)
    }

    /// Whether a notice is one that no earlier run has given.
    pub(super) fn is_news(&mut self) -> bool {
        self.told += 1;
        self.told > self.told_before
    }

    fn check(&mut self, questions: &[Question]) -> Result<(), AskError> {
        if questions.is_empty() || questions.len() > MAX_QUESTIONS {
            return Err(AskError::Failed(format!(
                "a call asks 1 to {MAX_QUESTIONS} questions at a time"
            )));
        }
        for (index, question) in questions.iter().enumerate() {
            if questions[..index]
                .iter()
                .any(|other| other.key == question.key)
            {
                return Err(AskError::Failed(format!(
                    "two questions have the key `{}`",
                    Line::name(&question.key)
                )));
            }
        }
        for question in questions {
            let kind = Kind::of(question);
            if !self.askable.has(kind) {
                self.refused.add(kind);
                return Err(AskError::Unsupported(format!(
                    "the client cannot be asked for {}",
                    kind.as_str()
                )));
            }
        }
        Ok(())
    }
}

impl Round {
    fn pass(&self, course: &Course) {
        let answers = serde_json::to_vec(&self.answers).expect("answers are texts");
        course.pass(&answers, self.answered);
    }
}

/// The answers to all questions in their order; none where one is missing, or is no answer to its question.
pub fn read(questions: &[Question], given: &BTreeMap<String, Value>) -> Option<Vec<Answer>> {
    let mut bytes = 0;
    questions
        .iter()
        .map(|question| {
            let answer = Kind::of(question).read(given.get(&question.key)?)?;
            if let Answer::Elicited(answer) = &answer {
                bytes += answer.content.as_ref().map_or(0, String::len);
            }
            (bytes <= MAX_FILLED_IN && fits(question, &answer)).then_some(answer)
        })
        .collect()
}

/// Brings forms into the shape in which clients get them, which is what their answers are checked against.
pub fn settle(questions: &mut [Question]) -> Result<(), AskError> {
    let mut bytes = 0;
    for question in questions {
        check_seen(question).map_err(|found| {
            let key = Line::name(&question.key);
            AskError::Failed(format!("the question `{key}`: its {found}"))
        })?;
        let QuestionKind::ElicitForm(form) = &mut question.ask else {
            continue;
        };
        bytes += form.requested_schema.len();
        if bytes > MAX_FORMS {
            return Err(AskError::Failed(format!(
                "the forms of one round have more than {} KiB",
                MAX_FORMS >> 10
            )));
        }
        let read = Form::read(&form.requested_schema).map_err(|error| {
            let key = Line::name(&question.key);
            AskError::Failed(format!("the question `{key}`: {error}"))
        })?;
        form.requested_schema = read.text();
    }
    Ok(())
}

/// Whoever answers sees all of what is asked. A form is looked at when it is read.
fn check_seen(question: &Question) -> Result<(), Found> {
    let look =
        |field: &str, text: &str, kind| walk::text(text, kind).map_err(|found| found.within(field));
    look("key", &question.key, Text::Line)?;
    match &question.ask {
        QuestionKind::ElicitForm(FormElicitation {
            message,
            requested_schema: _,
        }) => look("message", message, Text::Lines),
        QuestionKind::ElicitUrl(UrlElicitation {
            message,
            url,
            elicitation_id,
        }) => {
            look("message", message, Text::Lines)?;
            look("url", url, Text::Word)?;
            look("elicitationId", elicitation_id, Text::Word)
        }
        QuestionKind::Sample(params) => {
            let looked = walk::data(&mut serde_json::Deserializer::from_str(params));
            // What is no JSON is refused when it is sent.
            looked.unwrap_or(Ok(()))
        }
        QuestionKind::ListRoots => Ok(()),
    }
}

/// Whether a form is filled in as its schema says (MCP, "Elicitation: Security Considerations").
fn fits(question: &Question, answer: &Answer) -> bool {
    let (QuestionKind::ElicitForm(form), Answer::Elicited(answer)) = (&question.ask, answer) else {
        return true;
    };
    if answer.action != ElicitationAction::Accept {
        return true;
    }
    let content = answer.content.as_deref().unwrap_or("{}");
    Form::read(&form.requested_schema).is_ok_and(|form| form.takes(content))
}

impl Askable {
    fn has(self, kind: Kind) -> bool {
        match kind {
            Kind::Form => self.forms,
            Kind::Url => self.urls,
            Kind::Sample => self.samples,
            Kind::Roots => self.roots,
        }
    }

    fn add(&mut self, kind: Kind) {
        match kind {
            Kind::Form => self.forms = true,
            Kind::Url => self.urls = true,
            Kind::Sample => self.samples = true,
            Kind::Roots => self.roots = true,
        }
    }

    /// Whether there is nothing that can be asked.
    pub fn is_nothing(self) -> bool {
        self == Self::default()
    }

    /// What of these questions cannot be asked.
    pub fn missing(self, questions: &[Question]) -> Self {
        let mut missing = Self::default();
        for kind in questions.iter().map(Kind::of) {
            if !self.has(kind) {
                missing.add(kind);
            }
        }
        missing
    }
}

impl Kind {
    fn of(question: &Question) -> Self {
        match question.ask {
            QuestionKind::ElicitForm(_) => Self::Form,
            QuestionKind::ElicitUrl(_) => Self::Url,
            QuestionKind::Sample(_) => Self::Sample,
            QuestionKind::ListRoots => Self::Roots,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Form => "a form that a person fills in (elicitation)",
            Self::Url => "a page that a person opens (elicitation, URL mode)",
            Self::Sample => "a model's message (sampling)",
            Self::Roots => "the folders to work on (roots)",
        }
    }

    /// MCP `ElicitResult`, `CreateMessageResult` and `ListRootsResult`.
    fn read(self, result: &Value) -> Option<Answer> {
        let result = result.as_object()?;
        let text = |name: &str| result.get(name).and_then(Value::as_str);
        match self {
            Self::Form | Self::Url => {
                let action = match text("action")? {
                    "accept" => ElicitationAction::Accept,
                    "decline" => ElicitationAction::Decline,
                    "cancel" => ElicitationAction::Cancel,
                    _ => return None,
                };
                let content = match result.get("content") {
                    _ if action != ElicitationAction::Accept => None,
                    None | Some(Value::Null) => None,
                    Some(content @ Value::Object(_)) => Some(content.to_string()),
                    Some(_) => return None,
                };
                Some(Answer::Elicited(ElicitationAnswer { action, content }))
            }
            Self::Sample => {
                text("role")?;
                result.get("content")?;
                Some(Answer::Sampled(Value::Object(result.clone()).to_string()))
            }
            Self::Roots => {
                let root = |root: &Value| {
                    let of = |name: &str| root.get(name).and_then(Value::as_str).map(str::to_owned);
                    Some(Root {
                        uri: of("uri")?,
                        name: of("name"),
                        meta: root.get("_meta").map(Value::to_string),
                    })
                };
                let roots = result.get("roots")?.as_array()?.iter().map(root);
                Some(Answer::Roots(roots.collect::<Option<_>>()?))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use serde_json::json;

    fn roots(key: &str) -> Question {
        Question {
            key: key.to_owned(),
            ask: QuestionKind::ListRoots,
        }
    }

    fn sample(key: &str) -> Question {
        Question {
            key: key.to_owned(),
            ask: QuestionKind::Sample("{}".to_owned()),
        }
    }

    fn all() -> Askable {
        Askable {
            forms: true,
            urls: true,
            samples: true,
            roots: true,
        }
    }

    fn answered(rounds: Vec<Round>, fresh: Value) -> Dialogue {
        Dialogue {
            rounds,
            fresh: Fresh::Answers(serde_json::from_value(fresh).unwrap()),
            ..Dialogue::new(all())
        }
    }

    #[test]
    fn a_guest_ends_at_each_question_and_comes_past_it_the_next_time() {
        let first = || vec![roots("where")];
        let second = || vec![sample("what"), roots("where else")];
        let mut run = Dialogue::new(all());
        assert!(run.ask(first()).is_err());
        assert_eq!(run.asked.len(), 1);

        let mut run = answered(vec![], json!({"where": {"roots": [{"uri": "file:///a"}]}}));
        let Ok(Ok(answers)) = run.ask(first()) else {
            panic!("it was answered")
        };
        assert!(matches!(&answers[..], [Answer::Roots(roots)] if roots[0].uri == "file:///a"));
        assert!(run.ask(second()).is_err());

        let rest = json!({"what": {"role": "assistant", "content": {}}, "where else": {"roots": []}, "more": 3});
        let mut run = answered(run.rounds, rest);
        assert!(run.ask(first()).unwrap().is_ok());
        assert_eq!(run.ask(second()).unwrap().unwrap().len(), 2);
    }

    #[test]
    fn what_earlier_runs_have_told_is_no_news() {
        let mut run = Dialogue {
            told_before: 2,
            ..Dialogue::new(all())
        };
        let news: Vec<bool> = (0..4).map(|_| run.is_news()).collect();
        assert_eq!(news, [false, false, true, true]);
        assert_eq!(run.told, 4);
    }

    #[test]
    fn what_is_no_answer_is_asked_again() {
        for wrong in [
            json!({}),
            json!({"other": {"roots": []}}),
            json!({"where": 12345}),
            json!({"where": {"roots": [{}]}}),
        ] {
            let mut run = answered(vec![], wrong.clone());
            assert!(run.ask(vec![roots("where")]).is_err(), "{wrong}");
            assert!(run.rounds.is_empty());
        }
    }

    #[test]
    fn a_guest_that_asks_otherwise_when_it_is_run_again_is_told() {
        let mut run = answered(vec![], json!({"where": {"roots": []}}));
        assert!(run.ask(vec![roots("where")]).unwrap().is_ok());
        let mut again = answered(run.rounds, json!({}));
        let error = again.ask(vec![roots("elsewhere")]).unwrap().unwrap_err();
        assert!(matches!(error, AskError::Failed(text) if text.contains("something else")));
    }

    #[test]
    fn what_the_client_cannot_be_asked_is_refused_and_remembered() {
        let mut run = Dialogue::new(Askable {
            roots: true,
            ..Askable::default()
        });
        let refused = run.ask(vec![roots("a"), sample("b")]).unwrap();
        assert!(matches!(refused, Err(AskError::Unsupported(_))));
        assert!(run.refused.samples && !run.refused.roots);
    }

    #[test]
    fn a_question_hides_nothing_from_who_answers() {
        let form = |message: &str, schema: Value| {
            QuestionKind::ElicitForm(FormElicitation {
                message: message.to_owned(),
                requested_schema: schema.to_string(),
            })
        };
        let page = |message: &str, url: &str| {
            QuestionKind::ElicitUrl(UrlElicitation {
                message: message.to_owned(),
                url: url.to_owned(),
                elicitation_id: "1".to_owned(),
            })
        };
        let fields = |title: &str| json!({"type": "object", "properties": {"a": {"type": "string", "title": title}}});
        let choice = |name: &str| json!({"type": "object", "properties": {"a": {"type": "string", "enum": ["b", name]}}});
        let said = |text: &str| {
            QuestionKind::Sample(json!({"messages": [{"role": "user", "content": {"type": "text", "text": text}}], "maxTokens": 1}).to_string())
        };
        let ask = |key: &str, ask: QuestionKind| {
            let key = key.to_owned();
            settle(&mut [Question { key, ask }])
        };
        for (kind, place) in [
            (form("Sure?\u{e0041}", fields("b")), "/message"),
            (form("Sure?", fields("b\u{202e}")), "/properties/a/title"),
            (form("Sure?", choice("c\u{200b}")), "/properties/a/enum/1"),
            (page("Open\u{2028}", "https://a.example/"), "/message"),
            (page("Open", "https://a.example/\u{200d}"), "/url"),
            (said("Say yes\u{e0041}"), "/messages/0/content/text"),
        ] {
            let Err(AskError::Failed(told)) = ask("q", kind) else {
                panic!("{place} passes")
            };
            assert!(told.starts_with("the question `q`: its "), "{told}");
            assert!(told.contains(place) && told.contains("U+"), "{told}");
        }
        assert!(ask("q\u{200b}", page("Open", "https://a.example/")).is_err());
        for kind in [
            form("Sure?\n\u{1f469}\u{200d}\u{1f52c}", fields("b")),
            page("Open", "https://a.example/"),
            said("a\tb"),
            QuestionKind::ListRoots,
        ] {
            assert!(ask("q", kind).is_ok());
        }
    }

    #[test]
    fn a_call_asks_so_often_and_so_much_at_a_time() {
        let round = Round {
            asked: vec![("a".to_owned(), Kind::Roots)],
            answers: Ok(vec![Answer::Roots(vec![])]),
            answered: SystemTime::now(),
        };
        let mut run = answered(vec![round; MAX_ROUNDS], json!({"a": {"roots": []}}));
        for _ in 0..MAX_ROUNDS {
            assert!(run.ask(vec![roots("a")]).unwrap().is_ok());
        }
        assert!(run.ask(vec![roots("a")]).unwrap().is_err());
        let mut run = Dialogue::new(all());
        let many = (0..=MAX_QUESTIONS).map(|key| roots(&key.to_string()));
        assert!(run.ask(many.collect()).unwrap().is_err());
        assert!(run.ask(vec![]).unwrap().is_err());
        assert!(run.ask(vec![roots("a"), roots("a")]).unwrap().is_err());
    }
}
