//! Environment variables, delivered by `wasi:cli/environment` and by `wasi:config/store`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use sandglass_manifest::{ManifestError, Placed, TextOrSecret};
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi_config::WasiConfigVariables;

use super::secret::Value;

/// The variables that a source's tools see. The host's own are never among them.
#[derive(Clone, Default)]
pub struct Env {
    variables: Arc<[(String, Value)]>,
    config: Arc<WasiConfigVariables>,
}

impl Env {
    /// Reads the secrets among the values. Blocks on files.
    pub(super) fn configure(
        given: &BTreeMap<String, Placed<TextOrSecret>>,
    ) -> Result<Self, ManifestError> {
        let variables = given
            .iter()
            .map(|(name, value)| {
                let value = Value::read(value, &format!("allow.env.{name}"))?;
                Ok((name.clone(), value))
            })
            .collect::<Result<Arc<[_]>, ManifestError>>()?;
        let config = variables
            .iter()
            .map(|(name, value)| (name.as_str(), value.0.as_str()))
            .collect();
        Ok(Self {
            variables,
            config: Arc::new(config),
        })
    }

    /// Bytes of all names and values.
    pub(in crate::sandbox) fn bytes(&self) -> usize {
        let variables = self.variables.iter();
        variables
            .map(|(name, value)| name.len() + value.0.len())
            .sum()
    }

    /// Gives a call its environment and its configuration.
    pub(super) fn prepare(&self, wasi: &mut WasiCtxBuilder) -> Arc<WasiConfigVariables> {
        for (name, value) in &*self.variables {
            wasi.env(name, &value.0);
        }
        Arc::clone(&self.config)
    }
}

impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.variables.iter().cloned())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sandglass_manifest::SecretRef;

    #[test]
    fn values_are_read_and_not_shown() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "s3cret\n").unwrap();
        let secret = SecretRef::File(file.path().to_owned());
        let env = Env::configure(&BTreeMap::from([
            (
                "UNITS".to_owned(),
                TextOrSecret::Text("metric".to_owned()).into(),
            ),
            ("KEY".to_owned(), TextOrSecret::Secret { secret }.into()),
        ]))
        .unwrap();
        let values: Vec<_> = env
            .variables
            .iter()
            .map(|(name, value)| (name.as_str(), value.0.as_str()))
            .collect();
        assert_eq!(values, [("KEY", "s3cret"), ("UNITS", "metric")]);
        let shown = format!("{env:?}");
        assert!(shown.contains("UNITS") && shown.contains("KEY"), "{shown}");
        assert!(
            !shown.contains("metric") && !shown.contains("s3cret"),
            "{shown}"
        );
    }

    #[test]
    fn an_error_names_the_variable() {
        let secret = SecretRef::Env("SANDGLASS_TEST_NOT_SET".to_owned());
        let given = BTreeMap::from([("KEY".to_owned(), TextOrSecret::Secret { secret }.into())]);
        let error = Env::configure(&given).unwrap_err().to_string();
        assert!(error.starts_with("allow.env.KEY: "), "{error}");
    }
}
