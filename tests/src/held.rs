//! A call that is known to be running.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use reqwest::RequestBuilder;
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::{Answer, Host, eventually};

/// A call in the background that has its place. Dropping it disconnects the client.
#[derive(Debug)]
pub struct Held(JoinHandle<Answer>);

impl Held {
    /// Sends a call that takes the only place of its tool, and waits until a short call of the same tool is turned away.
    ///
    /// That needs `concurrency: 1` and a queue of no length. The short calls may have the place when the long one comes:
    /// then it is sent again.
    pub async fn new(host: &Host, request: RequestBuilder, tool: &str, quick: &Value) -> Self {
        let has_place = Arc::new(AtomicBool::new(false));
        let settled = Arc::clone(&has_place);
        let call = Self(tokio::spawn(async move {
            loop {
                let again = request.try_clone().expect("the body is text");
                let answer = Answer::read(again.send().await.expect("the host answers")).await;
                if settled.load(Ordering::Acquire) {
                    return answer;
                }
            }
        }));
        eventually("the place is taken", async || {
            (host.call(tool, quick.clone()).await.status == 429).then_some(())
        })
        .await;
        has_place.store(true, Ordering::Release);
        call
    }

    /// Whether it has been answered.
    pub fn is_answered(&self) -> bool {
        self.0.is_finished()
    }

    /// Waits for its answer.
    pub async fn answer(mut self) -> Answer {
        (&mut self.0)
            .await
            .expect("the call is not aborted before the drop")
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.abort();
    }
}
