//! A server's tools as the host's manifest has them; checked by the manifest's own rules, so that no host is started with a
//! manifest that it refuses.

use std::collections::BTreeSet;

use sandglass_manifest::{HostPattern, Manifest, Origin, SourceRef, Surroundings, Tool};
use serde_json::{Map, Value, json};

use super::Egress;
use super::environment::Environment;
use super::name::check_reference;
use super::placement::Placement;
use super::private_files;
use super::problem::{Problem, Reason};
use super::reference::{Reference, ReferenceKind};
use super::source::{MountedKey, Source};
use super::timeout::RouteTimeout;
use crate::crd::{KeyRef, Tools};
use crate::settings::Settings;

const FIELD: &str = "spec.config.tools";

/// The longest manifest, in bytes: Linux lets no variable of a process be longer than 128 KiB, and `$` is written twice.
const MAX_LENGTH: usize = 96 << 10;

/// The tools of one server, in a host's manifest.
#[derive(Debug, Clone)]
pub struct Entry {
    fields: Map<String, Value>,
    /// As the host will read it.
    resolved: Tool,
    key: Option<KeyRef>,
    has_own_hosts: bool,
}

/// What a spec says of its tools.
pub(super) struct Written<'a> {
    pub name: &'a str,
    pub placement: Placement,
    pub source: &'a Source,
    pub tools: &'a Tools,
    pub environment: &'a Environment,
    pub route: &'a RouteTimeout,
}

impl Entry {
    pub(super) fn parse(written: &Written, settings: &Settings) -> Result<Self, Problem> {
        let Written {
            name,
            placement,
            source,
            tools,
            environment,
            route,
        } = *written;
        let mut fields = of_source(source, placement);
        fields.insert("name".to_owned(), json!(name));
        let (verify, key) = verify(tools.verify.as_ref(), placement)?;
        // One after the other, so that it is known whose fault it is.
        for (field, value) in [
            ("verify", verify.as_ref()),
            ("limits", tools.limits.as_ref()),
            ("allow", tools.allow.as_ref()),
        ] {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                fields.insert(field.to_owned(), json!(value));
                let resolved = resolve(&fields, &format!("{FIELD}.{field}"))?;
                check_files(&resolved)?;
            }
        }
        limit(&mut fields, tools, route)?;
        let has_own_hosts = grant(&mut fields, environment.grants(placement)?, settings);
        let resolved = resolve(&fields, FIELD)?;
        let length = json!(fields).to_string().len();
        if length > MAX_LENGTH {
            return Err(Problem::new(
                Reason::TooLarge,
                FIELD,
                format!(
                    "{length} bytes are more than the {MAX_LENGTH} that fit into a pod's environment; put the source into a ConfigMap and name it in `fromConfigMapKeyRef`"
                ),
            ));
        }
        Ok(Self {
            fields,
            resolved,
            key,
            has_own_hosts,
        })
    }

    /// As a manifest's `tools` list has it.
    pub fn fields(&self) -> &Map<String, Value> {
        &self.fields
    }

    /// The places outside that it reaches: registries, and the hosts that its tools may.
    pub fn egress(&self) -> BTreeSet<Egress> {
        let registry = match &self.resolved.source {
            SourceRef::Oci(reference) => Some(of_registry(reference.registry())),
            _ => None,
        };
        let hosts = self.resolved.allow.http.iter().map(|rule| Egress {
            address: match &rule.host {
                HostPattern::Exact(name) => name.parse().ok(),
                HostPattern::Below(_) => None,
            },
            port: rule.port.get(),
        });
        registry.into_iter().chain(hosts).collect()
    }

    /// The ConfigMap with the public key of its signatures.
    pub fn key(&self) -> Option<&KeyRef> {
        self.key.as_ref()
    }

    pub(super) fn key_reference(&self) -> Option<Reference> {
        self.key.as_ref().map(|key| Reference {
            kind: ReferenceKind::ConfigMap,
            name: key.name.clone(),
            key: key.key.clone(),
            optional: false,
            field: format!("{FIELD}.verify.cosign.configMapKeyRef"),
        })
    }

    /// Whether its own spec names hosts.
    pub fn has_own_hosts(&self) -> bool {
        self.has_own_hosts
    }

    /// Whether its tools see folders of the pod.
    pub fn has_own_files(&self) -> bool {
        !self.resolved.allow.files.is_empty()
    }
}

fn of_source(source: &Source, placement: Placement) -> Map<String, Value> {
    let mut fields = Map::new();
    match source {
        Source::Python(text) => {
            fields.insert("python".to_owned(), json!(text));
        }
        Source::Oci(reference) => {
            fields.insert("source".to_owned(), json!(reference.to_string()));
        }
        Source::Mounted(MountedKey { kind, name, key }) => {
            let folder = placement.tools_folder(*kind, name);
            fields.insert("source".to_owned(), json!(format!("{folder}/{key}")));
            let says_so = [".wasm", ".py", ".js"].iter().any(|end| key.ends_with(end));
            if !says_so {
                // What begins as a component is one all the same.
                fields.insert("language".to_owned(), json!("python"));
            }
        }
    }
    fields
}

/// A block in the manifest's words.
type Block = Map<String, Value>;

/// The signature that is asked for, and the ConfigMap with its key if one is named.
fn verify(
    given: Option<&Block>,
    placement: Placement,
) -> Result<(Option<Block>, Option<KeyRef>), Problem> {
    let mut verify = given.cloned();
    let cosign = verify
        .as_mut()
        .and_then(|verify| verify.get_mut("cosign")?.as_object_mut());
    let Some((cosign, reference)) = cosign.and_then(|cosign| {
        cosign
            .remove("configMapKeyRef")
            .map(|reference| (cosign, reference))
    }) else {
        return Ok((verify, None));
    };
    let field = format!("{FIELD}.verify.cosign.configMapKeyRef");
    let key: KeyRef = serde_json::from_value(reference).map_err(|error| {
        let message = format!("it needs a ConfigMap's `name` and `key` ({error})");
        Problem::new(Reason::InvalidTools, &field, message)
    })?;
    check_reference(&key, Reason::InvalidTools, &field)?;
    if cosign.contains_key("key") {
        let message = "there is a `key` too; remove one of them";
        return Err(Problem::new(Reason::InvalidTools, field, message));
    }
    cosign.insert(
        "key".to_owned(),
        json!(format!("{}/{}", placement.keys_folder(&key.name), key.key)),
    );
    Ok((verify, Some(key)))
}

/// A call ends before its gateway gives up.
fn limit(
    fields: &mut Map<String, Value>,
    tools: &Tools,
    route: &RouteTimeout,
) -> Result<(), Problem> {
    let Some(longest) = route.longest_call() else {
        return Ok(());
    };
    let timeout = resolve(fields, FIELD)?.limits.timeout;
    if timeout.get() <= longest {
        return Ok(());
    }
    let longest = format!("{}ms", longest.as_millis());
    let own = tools
        .limits
        .as_ref()
        .is_some_and(|limits| limits.contains_key("timeout"));
    if own {
        return Err(Problem::new(
            Reason::InvalidTimeout,
            format!("{FIELD}.limits.timeout"),
            format!(
                "{timeout} is too long: the gateway gives up before; write at most {longest}, or a longer `gatewayRoute.timeout`"
            ),
        ));
    }
    let limits = fields.entry("limits").or_insert_with(|| json!({}));
    limits["timeout"] = json!(longest);
    Ok(())
}

/// Adds the variables, and the hosts that all tools may reach; whether the server names hosts of its own.
fn grant(fields: &mut Block, mut variables: Block, settings: &Settings) -> bool {
    let mut allow = match fields.remove("allow") {
        Some(Value::Object(allow)) => allow,
        _ => Map::new(),
    };
    if let Some(Value::Object(own)) = allow.remove("env") {
        variables.extend(own);
    }
    if !variables.is_empty() {
        allow.insert("env".to_owned(), Value::Object(variables));
    }
    let has_own_hosts = allow.contains_key("http");
    if !has_own_hosts && !settings.default_allow_http.is_empty() {
        let hosts = settings
            .default_allow_http
            .iter()
            .map(|host| json!(host.as_str()));
        allow.insert("http".to_owned(), hosts.collect());
    }
    if !allow.is_empty() {
        fields.insert("allow".to_owned(), Value::Object(allow));
    }
    has_own_hosts
}

/// The entry as the host will read it.
fn resolve(fields: &Map<String, Value>, field: &str) -> Result<Tool, Problem> {
    let text = json!({ "tools": [fields] }).to_string();
    let surroundings = Surroundings {
        working_dir: "/".into(),
        ..Surroundings::default()
    };
    let manifest = Manifest::parse_in(&text, &Origin::Environment("MCP_PARAMS"), &surroundings);
    let manifest =
        manifest.map_err(|error| Problem::new(Reason::InvalidTools, field, error.message()))?;
    let tool = manifest.tools.into_iter().flatten().next();
    Ok(tool.expect("a manifest with one entry"))
}

/// What the host itself has is not for tools.
fn check_files(tool: &Tool) -> Result<(), Problem> {
    let Some((key, path)) = private_files::granted(&tool.allow) else {
        return Ok(());
    };
    let message = format!(
        "`{}` is the host's own; name a variable of `spec.config.env`, or what `spec.podSpec` mounts elsewhere",
        path.display()
    );
    let field = format!("{FIELD}.allow.{key}");
    Err(Problem::new(Reason::InvalidTools, field, message))
}

fn of_registry(registry: &str) -> Egress {
    let (host, port) = match registry.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().unwrap_or(443)),
        None => (registry, 443),
    };
    Egress {
        address: host.trim_matches(['[', ']']).parse().ok(),
        port,
    }
}
