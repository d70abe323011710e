//! The Helm chart, rendered by Helm's own engine.

use serde_json::Value;

use crate::{Client, objects, root};

/// The namespace that it is installed in here.
pub const NAMESPACE: &str = "agents";

/// The name of the release.
pub const RELEASE: &str = "tools";

/// What Helm says to some values.
#[derive(Debug)]
pub struct Chart {
    /// The objects, or why there are none.
    pub objects: Result<Vec<Value>, String>,
    /// What `helm lint` warns of.
    pub lint: Vec<String>,
}

impl Chart {
    /// The chart with values beside its own, a YAML text.
    pub async fn render(values: &str) -> Self {
        let values = objects(values)
            .pop()
            .unwrap_or_else(|| serde_json::json!({}));
        let told = Client::python("SANDGLASS_HELM", "helm_render.py")
            .arg(root().join("deploy/kubernetes/chart"))
            .arg(RELEASE)
            .arg(NAMESPACE)
            .arg(values.to_string())
            .succeed()
            .await
            .json();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let objects = match &told["error"] {
            Value::Null => {
                let templates = told["templates"].as_object().expect("templates");
                Ok(templates
                    .values()
                    .flat_map(|it| objects(&text(it)))
                    .collect())
            }
            error => Err(text(error)),
        };
        let lint = told["lint"].as_array().expect("a list");
        Self {
            objects,
            lint: lint.iter().map(text).collect(),
        }
    }

    /// The objects; panics with the reason where there are none.
    pub fn all(&self) -> &[Value] {
        self.objects
            .as_ref()
            .unwrap_or_else(|error| panic!("{error}"))
    }

    /// The one object of a kind and a name.
    pub fn object(&self, kind: &str, name: &str) -> &Value {
        let is_it = |it: &&Value| it["kind"] == kind && it["metadata"]["name"] == name;
        let found: Vec<&Value> = self.all().iter().filter(is_it).collect();
        assert_eq!(found.len(), 1, "{kind} {name}: {:#?}", self.all());
        found[0]
    }
}
