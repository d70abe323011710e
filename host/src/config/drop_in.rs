//! Grants without a manifest's word: those of the environment, for the default tenant's tools.

use std::collections::BTreeMap;

use sandglass_manifest::{Allow, HttpRule, SecretRef, TextOrSecret};

use super::ConfigError;
use crate::catalog::Source;
use crate::invoke::TenantId;

/// Variables of the host's environment that are passed on, by name.
const ALLOW_ENV: &str = "SANDGLASS_ALLOW_ENV";

/// Hosts that are reached, with their ports: 443 where none is written.
const ALLOW_HTTP: &str = "SANDGLASS_ALLOW_HTTP";

/// Variables that are the host's own business, or its platform's.
const NEVER: [&str; 3] = ["MCP_", "OTEL_", "KUBERNETES_"];

/// Adds what the environment grants to the default tenant's sources that the manifest allows nothing.
pub fn grant(sources: &mut [Source]) -> Result<(), ConfigError> {
    let allow = allowed(|name| std::env::var(name).ok())?;
    let tenant = TenantId::default();
    for source in sources {
        if source.tenant == tenant && source.allow.is_empty() {
            source.allow = allow.clone();
        }
    }
    Ok(())
}

fn allowed(environment: impl Fn(&str) -> Option<String>) -> Result<Allow, ConfigError> {
    let refuse = |variable, problem: String| ConfigError::DropIn { variable, problem };
    let mut env = BTreeMap::new();
    for name in listed(environment(ALLOW_ENV).as_deref()) {
        if NEVER.iter().any(|prefix| name.starts_with(prefix)) {
            let problem = format!("`{name}` is never passed on to tools; remove it");
            return Err(refuse(ALLOW_ENV, problem));
        }
        let wrong = match environment(name) {
            None => "not set",
            Some(value) if value.is_empty() => "empty",
            Some(_) => "",
        };
        if !wrong.is_empty() {
            let problem =
                format!("`{name}` is {wrong}; set it, or remove the name (names only, no values)");
            return Err(refuse(ALLOW_ENV, problem));
        }
        // By reference: a value is read where it is delivered, and shown nowhere.
        let secret = SecretRef::Env(name.to_owned());
        env.insert(name.to_owned(), TextOrSecret::Secret { secret }.into());
    }
    let http = listed(environment(ALLOW_HTTP).as_deref())
        .map(|host| {
            host.parse::<HttpRule>()
                .map_err(|error| refuse(ALLOW_HTTP, error.to_string()))
        })
        .collect::<Result<_, _>>()?;
    Ok(Allow {
        env,
        http,
        ..Allow::default()
    })
}

fn listed(text: Option<&str>) -> impl Iterator<Item = &str> {
    text.unwrap_or_default()
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(set: &[(&str, &str)]) -> Result<Allow, ConfigError> {
        let find = |name: &str| {
            let found = set.iter().find(|(set, _)| *set == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        allowed(find)
    }

    #[test]
    fn the_environment_grants_variables_and_hosts() {
        let allow = of(&[
            (ALLOW_ENV, "UNITS, KEY,"),
            (ALLOW_HTTP, "api.weather.com:8443,other.example"),
            ("UNITS", "metric"),
            ("KEY", "s3cret"),
        ])
        .unwrap();
        assert_eq!(
            crate::sandbox::Summary(&allow).to_string(),
            "env KEY (secret), UNITS (secret); \
             http any method api.weather.com:8443/, any method other.example:443/"
        );
        assert!(!format!("{allow:?}").contains("s3cret"));
        assert!(of(&[]).unwrap().is_empty());
        assert!(
            of(&[(ALLOW_ENV, ""), (ALLOW_HTTP, " ")])
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn what_cannot_be_granted_is_named() {
        for (variable, given, part) in [
            (ALLOW_ENV, "MCP_PARAMS", "`MCP_PARAMS` is never passed on"),
            (ALLOW_ENV, "OTEL_X", "`OTEL_X` is never passed on"),
            (ALLOW_ENV, "KUBERNETES_PORT", "is never passed on"),
            (ALLOW_ENV, "NOT_SET", "`NOT_SET` is not set"),
            (ALLOW_ENV, "KEY=value", "`KEY=value` is not set"),
            (ALLOW_HTTP, "https://a.com", "it has a scheme"),
            (ALLOW_HTTP, "a.com:0", "1 to 65535"),
            (ALLOW_HTTP, "*", "every host"),
        ] {
            let error = of(&[(variable, given), ("MCP_PARAMS", "x")])
                .unwrap_err()
                .to_string();
            assert!(error.starts_with(variable), "{error}");
            assert!(error.contains(part), "{error}");
        }
    }
}
