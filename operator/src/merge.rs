//! Strategic merge patches of a pod spec: lists of objects are merged by their merge key, as `kubectl patch` does it.
//!
//! The rules are those of Kubernetes' own documents ("Update API Objects in Place Using kubectl patch", and
//! strategic-merge-patch.md of its contributors' guide): `null` deletes, `$patch: delete | replace | merge`,
//! `$deleteFromPrimitiveList/..`, `$setElementOrder/..`, `$retainKeys`.

use serde_json::{Map, Value};

/// The lists of a pod spec that are merged, by the field's name, with their merge keys (Kubernetes API reference, "patch
/// merge key"). All others are replaced as a whole. No two lists of one name have different keys.
const MERGED: [(&str, &str); 14] = [
    ("containers", "name"),
    ("initContainers", "name"),
    ("ephemeralContainers", "name"),
    ("env", "name"),
    ("ports", "containerPort"),
    ("volumeMounts", "mountPath"),
    ("volumeDevices", "devicePath"),
    ("volumes", "name"),
    ("imagePullSecrets", "name"),
    ("hostAliases", "ip"),
    ("topologySpreadConstraints", "topologyKey"),
    ("resourceClaims", "name"),
    ("schedulingGates", "name"),
    ("resizePolicy", "resourceName"),
];

/// Objects of which a patch names one field of several that exclude each other: those that it does not name go.
const ONE_OF: [&str; 1] = ["volumes"];

const DIRECTIVE: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const ELEMENT_ORDER: &str = "$setElementOrder/";
const DELETE_VALUES: &str = "$deleteFromPrimitiveList/";

/// A patch that cannot be applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct MergeError {
    /// Where in the patch, such as `containers[0].env[1]`.
    pub path: String,
    /// What is wrong, and what to do.
    pub message: String,
}

impl MergeError {
    fn new(path: &str, message: impl Into<String>) -> Self {
        Self {
            path: path.trim_start_matches('.').to_owned(),
            message: message.into(),
        }
    }
}

/// The object with the patch.
pub fn merge(
    original: Map<String, Value>,
    patch: &Map<String, Value>,
) -> Result<Map<String, Value>, MergeError> {
    merge_object(original, patch, "")
}

/// What a `$patch` asks for.
enum Directive {
    Merge,
    Replace,
    Delete,
}

fn directive(patch: &Map<String, Value>, path: &str) -> Result<Directive, MergeError> {
    match patch.get(DIRECTIVE) {
        None => Ok(Directive::Merge),
        Some(Value::String(word)) if word == "merge" => Ok(Directive::Merge),
        Some(Value::String(word)) if word == "replace" => Ok(Directive::Replace),
        Some(Value::String(word)) if word == "delete" => Ok(Directive::Delete),
        Some(other) => Err(MergeError::new(
            path,
            format!("`$patch: {other}` is not known; use delete, replace or merge"),
        )),
    }
}

fn merge_object(
    mut original: Map<String, Value>,
    patch: &Map<String, Value>,
    path: &str,
) -> Result<Map<String, Value>, MergeError> {
    match directive(patch, path)? {
        Directive::Merge => {}
        Directive::Replace => original = Map::new(),
        Directive::Delete => return Ok(Map::new()),
    }
    if let Some(retained) = patch.get(RETAIN_KEYS) {
        let retained = names(retained, path, RETAIN_KEYS)?;
        original.retain(|key, _| retained.contains(&key.as_str()));
    }
    for (key, value) in patch {
        let here = format!("{path}.{key}");
        if key == DIRECTIVE || key == RETAIN_KEYS || key.starts_with(ELEMENT_ORDER) {
            continue;
        }
        if let Some(list) = key.strip_prefix(DELETE_VALUES) {
            let gone = array(value, &here)?;
            if let Some(Value::Array(values)) = original.get_mut(list) {
                values.retain(|value| !gone.contains(value));
            }
            continue;
        }
        if key.starts_with('$') {
            return Err(MergeError::new(&here, "no such directive is known"));
        }
        if value.is_null() {
            original.shift_remove(key);
            continue;
        }
        match original.get(key) {
            Some(Value::Array(_)) if !value.is_array() => {
                return Err(MergeError::new(&here, "a list is expected"));
            }
            Some(Value::Object(_)) if !value.is_object() => {
                return Err(MergeError::new(&here, "an object is expected"));
            }
            _ => {}
        }
        let merged = match (original.get(key).cloned(), value) {
            (before, Value::Array(patch)) if merge_key(key).is_some() => {
                let before = match before {
                    Some(Value::Array(before)) => before,
                    _ => Vec::new(),
                };
                let list = List {
                    key: merge_key(key).expect("it was looked up"),
                    is_one_of: ONE_OF.contains(&key.as_str()),
                    path: &here,
                };
                Value::Array(list.merge(before, patch)?)
            }
            (Some(Value::Object(before)), Value::Object(patch)) => {
                if matches!(directive(patch, &here)?, Directive::Delete) {
                    original.shift_remove(key);
                    continue;
                }
                Value::Object(merge_object(before, patch, &here)?)
            }
            // Without an object before, what a patch deletes is not there.
            (_, Value::Object(patch)) => {
                if matches!(directive(patch, &here)?, Directive::Delete) {
                    continue;
                }
                Value::Object(merge_object(Map::new(), patch, &here)?)
            }
            (_, value) => value.clone(),
        };
        original.insert(key.clone(), merged);
    }
    for (key, order) in patch {
        if let Some(list) = key.strip_prefix(ELEMENT_ORDER)
            && let Some(Value::Array(items)) = original.get_mut(list)
        {
            reorder(
                items,
                array(order, &format!("{path}.{key}"))?,
                merge_key(list),
            );
        }
    }
    Ok(original)
}

fn merge_key(list: &str) -> Option<&'static str> {
    MERGED
        .iter()
        .find(|(name, _)| *name == list)
        .map(|(_, key)| *key)
}

/// A list of objects that are merged by a key.
struct List<'a> {
    key: &'static str,
    is_one_of: bool,
    path: &'a str,
}

impl List<'_> {
    fn merge(&self, original: Vec<Value>, patch: &[Value]) -> Result<Vec<Value>, MergeError> {
        let mut objects = Vec::new();
        let mut replaces = false;
        for (index, item) in patch.iter().enumerate() {
            let here = format!("{}[{index}]", self.path);
            let Value::Object(item) = item else {
                return Err(MergeError::new(&here, "an object is expected"));
            };
            // `- $patch: replace` alone: the whole list is replaced by the other items.
            if item.len() == 1 && matches!(directive(item, &here)?, Directive::Replace) {
                replaces = true;
                continue;
            }
            if !item.contains_key(self.key) {
                let message = format!("`{}` is missing, by which the list is merged", self.key);
                return Err(MergeError::new(&here, message));
            }
            objects.push((here, item));
        }
        let original = if replaces { Vec::new() } else { original };
        let mut merged = original.clone();
        let mut order = Vec::new();
        for (here, item) in objects {
            let place = merged
                .iter()
                .position(|other| other.get(self.key) == item.get(self.key));
            if matches!(directive(item, &here)?, Directive::Delete) {
                place.map(|place| merged.remove(place));
                continue;
            }
            let before = match place {
                Some(place) => match merged.remove(place) {
                    Value::Object(before) => before,
                    _ => Map::new(),
                },
                None => Map::new(),
            };
            let before = if self.is_one_of {
                self.keep(before, item)
            } else {
                before
            };
            let after = Value::Object(merge_object(before, item, &here)?);
            merged.insert(place.unwrap_or(merged.len()), after);
            order.push(item.get(self.key).cloned());
        }
        Ok(self.interleave(merged, &order, &original))
    }

    /// A volume of another kind than before is of that kind alone.
    fn keep(
        &self,
        mut before: Map<String, Value>,
        patch: &Map<String, Value>,
    ) -> Map<String, Value> {
        let names_another = patch
            .keys()
            .any(|key| key != self.key && !key.starts_with('$'));
        if names_another {
            before.retain(|key, _| key == self.key || patch.contains_key(key));
        }
        before
    }

    /// What the patch names stands in the patch's order, all else in the order that it had; the two are interleaved as the
    /// list before had them, and what is new stands first.
    fn interleave(
        &self,
        merged: Vec<Value>,
        order: &[Option<Value>],
        original: &[Value],
    ) -> Vec<Value> {
        let key = |item: &Value| item.get(self.key).cloned();
        let (mut named, others): (Vec<Value>, Vec<Value>) = merged
            .into_iter()
            .partition(|item| order.contains(&key(item)));
        named.sort_by_key(|item| order.iter().position(|name| *name == key(item)));
        let place = |item: &Value| original.iter().position(|other| key(other) == key(item));
        let (mut named, mut others) = (named.into_iter().peekable(), others.into_iter().peekable());
        let mut result = Vec::new();
        loop {
            let other_is_next = match (others.peek(), named.peek()) {
                (None, None) => return result,
                (Some(_), None) => true,
                (None, Some(_)) => false,
                (Some(other), Some(named)) => {
                    matches!((place(other), place(named)), (Some(other), Some(named)) if other < named)
                }
            };
            result.extend(if other_is_next {
                others.next()
            } else {
                named.next()
            });
        }
    }
}

/// Puts what the order names into that order; what it does not name follows.
fn reorder(items: &mut [Value], order: &[Value], key: Option<&str>) {
    let name = |item: &Value| match key {
        Some(key) => item.get(key).cloned(),
        None => Some(item.clone()),
    };
    let wanted: Vec<_> = order.iter().map(name).collect();
    items.sort_by_key(|item| {
        wanted
            .iter()
            .position(|wanted| *wanted == name(item))
            .unwrap_or(usize::MAX)
    });
}

fn array<'a>(value: &'a Value, path: &str) -> Result<&'a [Value], MergeError> {
    value
        .as_array()
        .map(Vec::as_slice)
        .ok_or_else(|| MergeError::new(path, "a list is expected"))
}

fn names<'a>(value: &'a Value, path: &str, directive: &str) -> Result<Vec<&'a str>, MergeError> {
    let names = value
        .as_array()
        .map(|names| names.iter().map(Value::as_str).collect::<Option<Vec<_>>>());
    names
        .flatten()
        .ok_or_else(|| MergeError::new(path, format!("`{directive}` is a list of field names")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn merged(original: Value, patch: Value) -> Value {
        try_merge(original, patch).unwrap()
    }

    fn try_merge(original: Value, patch: Value) -> Result<Value, MergeError> {
        let (Value::Object(original), Value::Object(patch)) = (original, patch) else {
            panic!("objects");
        };
        merge(original, &patch).map(Value::Object)
    }

    #[test]
    fn lists_are_merged_by_their_keys_and_others_are_replaced() {
        let original = json!({
            "serviceAccountName": "a",
            "containers": [{
                "name": "mcp-server",
                "image": "a",
                "args": ["serve"],
                "env": [{ "name": "A", "value": "1" }, { "name": "B", "value": "2" }],
                "ports": [{ "containerPort": 8000, "name": "http" }],
                "volumeMounts": [{ "mountPath": "/a", "name": "a" }],
                "resources": { "requests": { "cpu": "1" } },
            }],
            "volumes": [{ "name": "a", "emptyDir": {} }],
            "tolerations": [{ "key": "a" }],
        });
        let patch = json!({
            "containers": [
                { "name": "mcp-server", "args": ["x"], "resources": { "requests": { "memory": "128Mi" }, "limits": { "cpu": "2" } },
                  "env": [{ "name": "B", "value": "3" }, { "name": "C", "value": "4" }],
                  "ports": [{ "containerPort": 8000, "hostPort": 1 }],
                  "volumeMounts": [{ "mountPath": "/b", "name": "b" }] },
                { "name": "sidecar", "image": "s" },
            ],
            "volumes": [{ "name": "b", "secret": { "secretName": "b" } }],
            "tolerations": [{ "key": "b" }],
            "serviceAccountName": null,
        });
        assert_eq!(
            merged(original, patch),
            json!({
                "containers": [
                    { "name": "mcp-server", "image": "a", "args": ["x"],
                      "env": [{ "name": "A", "value": "1" }, { "name": "B", "value": "3" }, { "name": "C", "value": "4" }],
                      "ports": [{ "containerPort": 8000, "name": "http", "hostPort": 1 }],
                      "volumeMounts": [{ "mountPath": "/b", "name": "b" }, { "mountPath": "/a", "name": "a" }],
                      "resources": { "requests": { "cpu": "1", "memory": "128Mi" }, "limits": { "cpu": "2" } } },
                    { "name": "sidecar", "image": "s" },
                ],
                "volumes": [{ "name": "b", "secret": { "secretName": "b" } }, { "name": "a", "emptyDir": {} }],
                "tolerations": [{ "key": "b" }],
            })
        );
    }

    #[test]
    fn directives_delete_and_replace() {
        let original = json!({
            "volumes": [{ "name": "a", "emptyDir": {} }, { "name": "b", "emptyDir": {} }],
            "securityContext": { "runAsUser": 1, "fsGroup": 2 },
            "nodeSelector": { "a": "1" },
            "containers": [{ "name": "x", "args": ["1", "2"], "env": [{ "name": "A" }] }],
        });
        let patch = json!({
            "volumes": [{ "name": "a", "$patch": "delete" }],
            "securityContext": { "$patch": "replace", "runAsUser": 3 },
            "nodeSelector": { "$patch": "delete" },
            "containers": [{ "name": "x", "env": [{ "$patch": "replace" }, { "name": "B" }] }],
        });
        assert_eq!(
            merged(original, patch),
            json!({
                "volumes": [{ "name": "b", "emptyDir": {} }],
                "securityContext": { "runAsUser": 3 },
                "containers": [{ "name": "x", "args": ["1", "2"], "env": [{ "name": "B" }] }],
            })
        );
    }

    #[test]
    fn what_excludes_each_other_does_not_add_up() {
        let original =
            json!({ "volumes": [{ "name": "cache", "emptyDir": { "sizeLimit": "1Gi" } }] });
        let claim = json!({ "volumes": [{ "name": "cache", "persistentVolumeClaim": { "claimName": "c" } }] });
        assert_eq!(merged(original.clone(), claim.clone()), claim);
        let retained = json!({ "volumes": [{ "name": "cache", "$retainKeys": ["name"] }] });
        assert_eq!(
            merged(original, retained),
            json!({ "volumes": [{ "name": "cache" }] })
        );
    }

    #[test]
    fn values_are_deleted_and_elements_put_in_order() {
        let original =
            json!({ "finalizers": ["a", "b"], "containers": [{ "name": "x" }, { "name": "y" }] });
        let patch = json!({
            "$deleteFromPrimitiveList/finalizers": ["a"],
            "$setElementOrder/containers": [{ "name": "y" }, { "name": "x" }],
        });
        assert_eq!(
            merged(original, patch),
            json!({ "finalizers": ["b"], "containers": [{ "name": "y" }, { "name": "x" }] })
        );
    }

    #[test]
    fn a_patch_that_cannot_be_applied_names_its_place() {
        for (patch, path, part) in [
            (
                json!({ "containers": [{ "image": "x" }] }),
                "containers[0]",
                "`name` is missing",
            ),
            (json!({ "containers": ["x"] }), "containers[0]", "an object"),
            (
                json!({ "securityContext": { "$patch": "destroy" } }),
                "securityContext",
                "is not known",
            ),
            (json!({ "$retainKeys": "a" }), "", "a list of field names"),
            (json!({ "$other": 1 }), "$other", "no such directive"),
        ] {
            let error = try_merge(json!({}), patch).unwrap_err();
            assert_eq!(error.path, path, "{error}");
            assert!(error.message.contains(part), "{error}");
        }
    }

    #[test]
    fn a_list_or_an_object_stays_one() {
        let original = json!({ "containers": [{ "name": "x", "args": ["a"] }], "securityContext": { "a": 1 } });
        for (patch, path, part) in [
            (json!({ "containers": "x" }), "containers", "a list"),
            (
                json!({ "containers": { "name": "x" } }),
                "containers",
                "a list",
            ),
            (
                json!({ "containers": [{ "name": "x", "args": "serve" }] }),
                "containers[0].args",
                "a list",
            ),
            (
                json!({ "securityContext": true }),
                "securityContext",
                "an object",
            ),
        ] {
            let error = try_merge(original.clone(), patch).unwrap_err();
            assert_eq!(error.path, path, "{error}");
            assert!(error.message.contains(part), "{error}");
        }
        // A label may have the name of a list.
        let labels = json!({ "nodeSelector": { "env": "prod", "ports": "many" } });
        assert_eq!(merged(json!({}), labels.clone()), labels);
    }
}
