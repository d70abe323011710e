//! Grants in words, without values: for the log and for `sandglass inspect`.

use std::fmt;

use sandglass_manifest::{Access, Allow, FolderGrant, HttpRule, Placed, TextOrSecret};

/// What a source is allowed, in one line:
/// `env UNITS, API_KEY (secret); http GET api.weather.com:443/v1 (header Authorization injected); files /srv/data -> /data (read)`.
#[derive(Debug, Clone, Copy)]
pub struct Summary<'a>(pub &'a Allow);

impl Summary<'_> {
    /// A text for each capability; none where nothing is granted.
    pub fn lines(&self) -> Vec<String> {
        let Allow {
            env,
            http,
            files,
            keyvalue,
        } = self.0;
        let capabilities: [(_, Vec<String>); 4] = [
            ("env", env.iter().map(variable).collect()),
            ("http", http.iter().map(rule).collect()),
            ("files", files.iter().map(folder).collect()),
            (
                "keyvalue",
                keyvalue
                    .iter()
                    .map(|name| name.as_str().to_owned())
                    .collect(),
            ),
        ];
        capabilities
            .into_iter()
            .filter(|(_, granted)| !granted.is_empty())
            .map(|(capability, granted)| format!("{capability} {}", granted.join(", ")))
            .collect()
    }
}

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines().join("; "))
    }
}

fn variable((name, value): (&String, &Placed<TextOrSecret>)) -> String {
    match **value {
        TextOrSecret::Text(_) => name.clone(),
        TextOrSecret::Secret { .. } => format!("{name} (secret)"),
    }
}

fn rule(rule: &HttpRule) -> String {
    let mut notes = Vec::new();
    if rule.private {
        notes.push("private".to_owned());
    }
    notes.extend(
        rule.headers
            .keys()
            .map(|name| format!("header {name} injected")),
    );
    if let Some(ca) = &rule.ca {
        notes.push(format!("ca {}", ca.display()));
    }
    let methods = match rule.methods.as_slice() {
        [] => "any method".to_owned(),
        methods => methods.join("|"),
    };
    let notes = match notes.as_slice() {
        [] => String::new(),
        notes => format!(" ({})", notes.join(", ")),
    };
    let host = if matches!(&rule.host, sandglass_manifest::HostPattern::Exact(host) if host.contains(':'))
    {
        format!("[{}]", rule.host)
    } else {
        rule.host.to_string()
    };
    format!(
        "{methods} {host}:{}{}{notes}",
        rule.port,
        rule.path.as_str()
    )
}

fn folder(folder: &FolderGrant) -> String {
    let access = match folder.access {
        Access::Read => "read",
        Access::ReadWrite => "read-write",
    };
    format!("{} -> {} ({access})", folder.host.display(), folder.guest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    use sandglass_manifest::{HostPattern, SecretRef};

    #[test]
    fn grants_are_told_in_one_line_without_values() {
        let secret = || {
            let secret = SecretRef::Env("TOKEN".to_owned());
            Placed::from(TextOrSecret::Secret { secret })
        };
        let text = |text: &str| Placed::from(TextOrSecret::Text(text.to_owned()));
        let allow = Allow {
            env: BTreeMap::from([
                ("KEY".to_owned(), secret()),
                ("UNITS".to_owned(), text("metric")),
            ]),
            http: vec![
                HttpRule {
                    host: HostPattern::Exact("api.weather.com".to_owned()),
                    port: 443.try_into().unwrap(),
                    methods: vec!["GET".to_owned(), "HEAD".to_owned()],
                    path: Default::default(),
                    private: false,
                    headers: BTreeMap::from([("authorization".to_owned(), secret())]),
                    ca: None,
                },
                HttpRule {
                    host: HostPattern::Exact("::1".to_owned()),
                    port: 80.try_into().unwrap(),
                    methods: Vec::new(),
                    path: Default::default(),
                    private: true,
                    headers: BTreeMap::new(),
                    ca: Some(PathBuf::from("/ca.pem").into()),
                },
            ],
            files: vec![FolderGrant {
                host: PathBuf::from("/srv/data").into(),
                guest: "/data".to_owned(),
                access: Access::Read,
            }],
            keyvalue: Vec::new(),
        };
        assert_eq!(
            Summary(&allow).to_string(),
            "env KEY (secret), UNITS; \
             http GET|HEAD api.weather.com:443/ (header authorization injected), \
             any method [::1]:80/ (private, ca /ca.pem); \
             files /srv/data -> /data (read)"
        );
        assert_eq!(Summary(&Allow::default()).to_string(), "");
    }
}
