//! Source text that tries to get out of its sandbox, in any language. Beside what only its language can try, each has
//! the tools `environment`; `remember` and `poison`, with a `word`; and `seeds`.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::{Host, manifest, root};

/// How far a call's clock may be from that of the test.
const CLOCKS_APART: Duration = Duration::from_secs(60);

/// A host with hostile source text.
#[derive(Debug)]
pub struct Hostile {
    host: Host,
}

impl Hostile {
    /// Serves a file of `tests/fixtures`. Its calls have the time to use up all else that they may.
    pub async fn serve(file: &str) -> Self {
        Self::serve_for(file, "5m").await
    }

    /// The same with calls that may take so long.
    pub async fn serve_for(file: &str, timeout: &str) -> Self {
        let source = root().join("tests/fixtures").join(file);
        let tool = json!({ "source": source, "limits": { "timeout": timeout } });
        Self {
            host: Host::start(&manifest(&json!([tool]))).await,
        }
    }

    /// Each of these tools fails with these words, and the host is well afterwards; and no variable is there to read.
    pub async fn fails(&self, tools: &[(&str, &str)]) {
        for (tool, told) in tools {
            let answer = self.host.call(tool, json!({})).await;
            assert!(
                answer.status >= 400 && answer.error().contains(told),
                "{tool}: {answer:?}"
            );
            self.host.assert_well().await;
        }
        let answer = self.host.call("environment", json!({})).await;
        assert_eq!(answer.json()["result"], json!({}));
    }

    /// A call that leaves traces in four places finds those of no other call.
    pub async fn leaves_nothing(&self) {
        for word in ["first", "second", "third"] {
            let answer = self.host.call("remember", json!({ "word": word })).await;
            assert_eq!(answer.json()["result"], json!([1, 1, 1, 1]), "{answer:?}");
            // What it breaks is its own call.
            self.host.call("poison", json!({ "word": word })).await;
        }
    }

    /// Whatever is drawn at random is drawn anew in each call, and the clock (`now`, in milliseconds since 1970) goes on.
    /// What the calls gave.
    pub async fn has_seeds_and_clocks_of_its_own(&self) -> Vec<Value> {
        let (mut all, mut seen) = (Vec::new(), BTreeSet::new());
        let mut before = 0;
        for _ in 0..20 {
            let mut answer = self.host.call("seeds", json!({})).await.json();
            let seeds = answer["result"].take();
            for (name, seed) in seeds["random"]
                .as_object()
                .expect("what is random, by name")
            {
                assert!(
                    seen.insert(format!("{name} {seed}")),
                    "{name} again: {seeds}"
                );
            }
            let now = seeds["now"].as_u64().expect("a number");
            let since = SystemTime::now().duration_since(UNIX_EPOCH);
            let apart = since
                .expect("it is after 1970")
                .abs_diff(Duration::from_millis(now));
            assert!(now >= before && apart < CLOCKS_APART, "{before} {seeds}");
            before = now;
            all.push(seeds);
        }
        all
    }
}
