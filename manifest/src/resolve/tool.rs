//! Sources of tools.

use std::collections::BTreeMap;
use std::path::Path;

use serde_saphyr::Location;

use super::{Resolver, Seen};
use crate::{
    Allow, Engine, Inline, Language, Limits, ManifestError, Placed, SourceRef, Store, StoreName,
    Tool, ToolFilter,
    document::{Short, ToolBody, ToolDocument},
    field::Field,
};

/// What the sources of all tenants share.
pub(super) struct Tools<'r, 'd> {
    pub resolver: &'r Resolver<'r>,
    pub engine: &'r Engine,
    pub stores: &'r BTreeMap<StoreName, Store>,
    /// The names that sources have so far.
    pub names: Seen<&'d str>,
}

impl<'d> Tools<'_, 'd> {
    pub(super) fn list(
        &mut self,
        tools: &'d [Field<ToolDocument>],
        limits: Limits,
    ) -> Result<Vec<Tool>, ManifestError> {
        tools
            .iter()
            .filter_map(Field::get)
            .map(|(tool, place)| self.tool(tool, place, limits))
            .collect()
    }

    fn tool(
        &mut self,
        document: &'d ToolDocument,
        place: Location,
        inherited: Limits,
    ) -> Result<Tool, ManifestError> {
        let body = match document {
            Short::Full(body) => body,
            Short::Text(source) => {
                return Ok(Tool {
                    source: self.source(source, place)?,
                    language: None,
                    partial: false,
                    name: None,
                    prefix: None,
                    filter: ToolFilter::All,
                    pin: false,
                    verify: None,
                    limits: inherited,
                    allow: Allow::default(),
                    policy: None,
                });
            }
        };
        let (source, source_place) = self.written(body, place)?;
        if let Some((name, place)) = body.name.get() {
            let what = format!("the name `{name}`");
            let mend = "choose another";
            self.resolver
                .only_once(&mut self.names, name.as_str(), what, mend, place)?;
        }
        let policy = self
            .resolver
            .path_field("policy", &body.policy)?
            .map(Placed::into_inner);
        let (allow, limits) = self.grants(body, inherited, policy.as_deref())?;
        Ok(Tool {
            verify: self.resolver.verify(&body.verify, &source)?,
            source: self.source(&source, source_place)?,
            language: body.language.value().copied(),
            partial: body.partial.value().copied().unwrap_or_default(),
            name: body.name.value().cloned(),
            prefix: body.prefix.value().cloned(),
            filter: self.filter(body)?,
            pin: body.pin.value().copied().unwrap_or_default(),
            limits,
            allow,
            policy,
        })
    }

    /// What is said of where the tools come from, with its place.
    fn written(
        &self,
        body: &ToolBody,
        place: Location,
    ) -> Result<(SourceRef, Location), ManifestError> {
        let resolver = self.resolver;
        let inline = [
            (Language::Python, body.python.get()),
            (Language::JavaScript, body.javascript.get()),
        ];
        let mut inline = inline
            .into_iter()
            .filter_map(|(language, text)| text.map(|(text, place)| (language, text, place)));
        let (text, other) = (inline.next(), inline.next());
        match (body.source.get(), text, other) {
            (Some((source, place)), None, _) => Ok((source.0.clone(), place)),
            (None, Some((language, text, place)), None) => {
                self.inline(body, language, text, place)
            }
            (None, None, _) => resolver.refuse(
                place,
                "the key `source` is missing; write `source`, or `python` or `javascript` with source text",
            ),
            (Some(_), Some((language, _, place)), _) => resolver.refuse(
                place,
                format!("`source` and `{}` cannot stand together; keep one of them", language.as_str()),
            ),
            (None, Some((one, ..)), Some((other, _, place))) => resolver.refuse(
                place,
                format!(
                    "`{}` and `{}` cannot stand together; make two tools of them",
                    one.as_str(),
                    other.as_str()
                ),
            ),
        }
    }

    /// Source text that stands in the manifest.
    fn inline(
        &self,
        body: &ToolBody,
        language: Language,
        text: &str,
        place: Location,
    ) -> Result<(SourceRef, Location), ManifestError> {
        let resolver = self.resolver;
        if text.trim().is_empty() {
            return resolver.refuse(
                place,
                "the source text is empty; write a function, or remove the tool",
            );
        }
        match (body.language.get(), body.pin.get()) {
            (Some((_, place)), _) => resolver.refuse(
                place,
                format!(
                    "`{}` says the language already; remove `language`",
                    language.as_str()
                ),
            ),
            (None, Some((true, place))) => resolver.refuse(
                place,
                "the source text stands here, so nobody else can change it; remove `pin`",
            ),
            (None, _) => {
                let text = text.into();
                Ok((SourceRef::Inline(Inline { language, text }), place))
            }
        }
    }

    /// What the tools may reach and use: a policy says both.
    fn grants(
        &self,
        body: &ToolBody,
        inherited: Limits,
        policy: Option<&Path>,
    ) -> Result<(Allow, Limits), ManifestError> {
        let resolver = self.resolver;
        let mut limits = resolver.limits(&body.limits, inherited, self.engine)?;
        let policy = body.policy.get().map(|(_, place)| place).zip(policy);
        let (place, path) = match (body.allow.get(), policy) {
            (None, None) => return Ok((Allow::default(), limits)),
            (Some((allow, place)), None) => {
                return Ok((resolver.allow(allow, place, self.stores)?, limits));
            }
            (None, Some(policy)) => policy,
            (Some(_), Some((place, _))) => {
                return resolver.refuse(
                    place,
                    "`allow` and `policy` cannot stand together; keep one of them",
                );
            }
        };
        let policy = resolver.policy_file(path, place)?;
        if let Some(memory) = policy.memory {
            let written = body.limits.value().and_then(|limits| limits.memory.get());
            if let Some((_, place)) = written {
                return resolver.refuse(
                    place,
                    format!("the policy limits the memory to {memory} already; keep one of both"),
                );
            }
            resolver.check_memory(memory, self.engine, place)?;
            limits.memory = memory;
        }
        Ok((policy.allow, limits))
    }

    fn source(&self, source: &SourceRef, place: Location) -> Result<SourceRef, ManifestError> {
        match source {
            SourceRef::File(path) => self.resolver.locate(path, place).map(SourceRef::File),
            SourceRef::Joined(parts) => parts
                .located(|path| self.resolver.locate(path, place))
                .map(SourceRef::Joined),
            SourceRef::Oci(_)
            | SourceRef::Https(_)
            | SourceRef::Kubernetes(_)
            | SourceRef::Inline(_) => Ok(source.clone()),
        }
    }

    fn filter(&self, tool: &ToolBody) -> Result<ToolFilter, ManifestError> {
        let (names, place, filter): (_, _, fn(_) -> _) =
            match (tool.include.get(), tool.exclude.get()) {
                (None, None) => return Ok(ToolFilter::All),
                (Some((names, place)), None) => (names, place, ToolFilter::Include),
                (None, Some((names, place))) => (names, place, ToolFilter::Exclude),
                (Some(_), Some((_, place))) => {
                    return self.resolver.refuse(
                        place,
                        "`include` and `exclude` cannot stand together; keep one of them",
                    );
                }
            };
        if names.is_empty() {
            return self
                .resolver
                .refuse(place, "the list names no tool; name one or remove the key");
        }
        Ok(filter(names.clone()))
    }
}
