//! One component: from a source of the manifest to checked tools.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use sandglass_manifest::{Allow, Cosign, Language, Limits, SourceRef, ToolFilter, ToolPrefix};
use sandglass_text::Line;

use super::definition::Definitions;
use super::guest::Guest;
use super::interpreters::{InterpreterError, Interpreters};
use super::offer::{Offer, OfferError};
use super::pins::{Damaged, PinKey, Pins};
use super::snapshot::Collision;
use crate::invoke::{Admission, TenantId};
use crate::sandbox::component::DescribeError;
use crate::sandbox::{
    Component, Engine, GrantError, GrantedFolders, Grants, Listed, LoadError, Provided, Script,
    Stores,
};
use crate::source::verify::{KeyError, SignerName, Signers};
use crate::source::{Digest, Fetched, Fetcher, Found, SourceError, Version};
use crate::turns::{Share, Turns};
use crate::watch::Stamp;

/// A tool source of the manifest, for one tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Whose tools these are.
    pub tenant: TenantId,
    /// Where the components or the source text come from.
    pub reference: SourceRef,
    /// What the text there is written in, where its name does not say so.
    pub language: Option<Language>,
    /// Serves what of a source text can be tools, and leaves out the rest.
    pub partial: bool,
    /// The source's name in logs and status, where the manifest gives one.
    pub name: Option<String>,
    /// Goes before each tool's name.
    pub prefix: Option<ToolPrefix>,
    /// The signatures that the component must carry.
    pub signatures: Vec<Cosign>,
    /// Which of the component's tools are served.
    pub filter: ToolFilter,
    /// Refuses a component whose tools are not those that were seen first.
    pub pin: bool,
    /// What a call may use.
    pub limits: Limits,
    /// What a call may reach.
    pub allow: Allow,
}

impl Source {
    /// All tools of a reference for the default tenant, with default limits and no grants.
    pub fn new(reference: SourceRef) -> Self {
        Self {
            tenant: TenantId::default(),
            reference,
            language: None,
            partial: false,
            name: None,
            prefix: None,
            signatures: Vec::new(),
            filter: ToolFilter::All,
            pin: false,
            limits: Limits::DEFAULT,
            allow: Allow::default(),
        }
    }

    /// The name of one of its components in logs and status.
    pub(super) fn name_of(&self, found: &Found) -> String {
        self.name.clone().unwrap_or_else(|| found.name.clone())
    }

    /// The files that are read for it beside its components: secrets and keys.
    pub(super) fn files(&self) -> impl Iterator<Item = &Path> {
        let keys = self.signatures.iter().flat_map(|cosign| &cosign.key);
        let keyless = self.signatures.iter().flat_map(|cosign| &cosign.keyless);
        self.allow
            .secret_files()
            .chain(self.allow.authority_files())
            .chain(keys.map(|key| &**key))
            .chain(keyless.map(|keyless| &*keyless.trust_root))
    }
}

/// Why a source is left out.
#[derive(Debug, thiserror::Error)]
pub(super) enum LeftOut {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Grant(#[from] GrantError),
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Interpreter(#[from] InterpreterError),
    #[error("the source text is not UTF-8 (byte {at}): save it as UTF-8")]
    NotText { at: usize },
    #[error("{0}")]
    Script(Line),
    #[error(transparent)]
    Describe(DescribeError),
    #[error(transparent)]
    Offer(#[from] OfferError),
    #[error(transparent)]
    Collision(#[from] Collision),
    #[error(
        "`pin: true`, and its tools are not those that were accepted: {0}; look at them with `sandglass inspect`, then name their digest in the reference, or remove `pin`"
    )]
    Pinned(Line),
    #[error(
        "`pin: true`, and whether its tools are those that were accepted is not known: {0}; look at them with `sandglass inspect`, then remove that file to accept them"
    )]
    PinLost(Damaged),
    #[error("a fault of this host, please report it: {0}")]
    Fault(Line),
    #[error("`{key}` names `{tool}`, which the component does not have; it has {has}")]
    Filter {
        key: &'static str,
        tool: String,
        has: Line,
    },
}

/// A component and what of it is served.
pub(super) struct Loaded {
    pub guest: Arc<Guest>,
    pub offer: Offer,
    /// What the operator should know though it serves.
    pub notice: Option<Line>,
    fetched_with_notice: bool,
    version: Version,
    files: Files,
}

/// The stamps of the files that are read for a source.
#[derive(Debug, PartialEq, Eq)]
struct Files(Vec<Option<Stamp>>);

impl Files {
    fn of(source: &Source) -> Self {
        Self(source.files().map(Stamp::of).collect())
    }
}

/// What loading needs.
pub(super) struct Tools<'a> {
    /// Whose turns it takes.
    pub share: Share,
    pub offers: &'a Turns,
    pub engine: &'a Engine,
    pub stores: &'a Stores,
    pub folders: &'a GrantedFolders,
    pub fetcher: &'a Fetcher,
    pub pins: &'a Arc<Pins>,
    pub interpreters: &'a Interpreters,
}

/// A component as it was loaded the last time.
pub(super) struct Before<'a> {
    pub loaded: &'a Loaded,
    /// Whether the manifest says the same of it as it did then.
    pub same_source: bool,
}

impl Tools<'_> {
    /// Loads a component; none where it is what it was before.
    pub(super) async fn load(
        &self,
        source: &Source,
        found: &Found,
        before: Option<Before<'_>>,
    ) -> Result<Option<Loaded>, LeftOut> {
        // Before they are read: what is written meanwhile is newer.
        let files = Files::of(source);
        let known = before
            .as_ref()
            .filter(|before| before.same_source && before.loaded.files == files)
            // What was said of it may no longer hold: that its registry is down, say.
            .filter(|before| !before.loaded.fetched_with_notice)
            .map(|before| &before.loaded.version);
        let signers = signers(source).await?;
        let Some(fetched) = self.fetcher.fetch_newer(found, &signers, known).await? else {
            return Ok(None);
        };
        let Fetched {
            bytes,
            version,
            signed_by,
            notice,
        } = fetched;
        let mut notice = notice.map(Line::new);
        let signed_by: Arc<[SignerName]> = signed_by.into();
        let fetched_with_notice = notice.is_some();
        let grants = configure(source, self.stores, self.folders).await?;
        let name = source.name_of(found);
        let serving = before.as_ref().map(|before| &before.loaded.guest.component);
        let component = self.component(source, found, &name, bytes, serving).await?;
        let Listed { provided, left_out } = match component.list(&source.limits).await {
            Ok(listed) => listed,
            // An interpreter says what is wrong with the text.
            Err(DescribeError::Guest(problem)) if component.script().is_some() => {
                return Err(LeftOut::Script(problem));
            }
            Err(error) => return Err(LeftOut::Describe(error)),
        };
        for function in left_out {
            let text = Line::excerpt(format_args!(
                "`{}` is left out: {}",
                function.function, function.reason
            ));
            tracing::warn!(source = name, "{text}");
            add_notice(&mut notice, &text);
        }
        check_filter(
            &source.filter,
            provided.tools.iter().map(|tool| tool.name.as_str()),
        )?;
        if let Some(changes) = self.changes(source, found, &provided).await? {
            if source.pin {
                return Err(LeftOut::Pinned(changes));
            }
            let text = Line::new(format_args!(
                "what its tools say of themselves has changed: {changes}"
            ));
            tracing::warn!(source = name, reference = %source.reference, "{text}");
            add_notice(&mut notice, &text);
        }
        let admission = before.filter(|before| before.same_source).map_or_else(
            || Arc::new(Admission::new(&source.limits)),
            |before| Arc::clone(&before.loaded.guest.admission),
        );
        let guest = Arc::new(Guest {
            component,
            limits: source.limits,
            grants,
            admission,
            signed_by,
        });
        let offer = self.offer(source, provided, &guest).await?;
        Ok(Some(Loaded {
            guest,
            offer,
            notice,
            fetched_with_notice,
            version,
            files,
        }))
    }

    /// The component that these bytes are, or the interpreter of the text that they are; what serves already where
    /// they are the same.
    async fn component(
        &self,
        source: &Source,
        found: &Found,
        name: &str,
        bytes: Bytes,
        serving: Option<&Component>,
    ) -> Result<Component, LeftOut> {
        let language = source.language.or(found.reference().language());
        let script = match language.filter(|_| !bytes.starts_with(WASM)) {
            None => None,
            Some(language) => Some((language, script(source, found, &bytes)?)),
        };
        let is_same = |component: &&Component| {
            component.name() == name
                && component.digest() == &Digest::of(&bytes)
                && component.script() == script.as_ref().map(|(_, script)| script)
        };
        if let Some(component) = serving.filter(is_same) {
            return Ok(component.again());
        }
        match script {
            None => Ok(Component::load_for(&self.share, self.engine, name, bytes).await?),
            Some((language, script)) => {
                let interpreter = self.interpreters.get(self.engine, language).await?;
                Ok(interpreter.bind(name, script))
            }
        }
    }

    /// Compiles schemas, away from the serving threads.
    async fn offer(
        &self,
        source: &Source,
        provided: Provided,
        guest: &Arc<Guest>,
    ) -> Result<Offer, OfferError> {
        let _turn = self.offers.wait(&self.share).await;
        let (filter, prefix) = (source.filter.clone(), source.prefix.clone());
        let guest = Arc::clone(guest);
        tokio::task::spawn_blocking(move || Offer::new(provided, &filter, prefix.as_ref(), &guest))
            .await
            .expect("checking what is offered does not panic")
    }

    /// Whether what serves is signed as the source demands now: what the newest version lacks may be lacking there too.
    pub(super) async fn may_stay(&self, source: &Source, serving: &Loaded) -> bool {
        signers(source)
            .await
            .is_ok_and(|signers| signers.are_met_by(&serving.guest.signed_by))
    }

    /// How the tools differ from those that were accepted behind the same reference, and accepts them unless that
    /// is forbidden. What lies in files is its owner's to change, unless it is pinned.
    async fn changes(
        &self,
        source: &Source,
        found: &Found,
        provided: &Provided,
    ) -> Result<Option<Line>, LeftOut> {
        if !source.pin && !found.reference().can_move() {
            return Ok(None);
        }
        let key = PinKey::new(&source.tenant, found.reference());
        let now = Definitions::of(provided);
        let (pins, pin) = (Arc::clone(self.pins), source.pin);
        let compare = move || {
            let changes = match pins.accepted(&key) {
                Ok(before) => before.and_then(|before| before.changes(&now)),
                Err(damaged) if pin => return Err(LeftOut::PinLost(damaged)),
                Err(damaged) => Some(format!("how is not known, for {damaged}")),
            };
            if changes.is_none() || !pin {
                pins.accept(&key, &now);
            }
            Ok(changes.map(Line::excerpt))
        };
        let compared = tokio::task::spawn_blocking(compare).await;
        compared.expect("comparing does not panic")
    }
}

/// How WebAssembly begins: whatever a source says of its language, this is no text.
const WASM: &[u8] = b"\0asm";

/// Source text, with the name that its author knows it by.
fn script(source: &Source, found: &Found, bytes: &[u8]) -> Result<Script, LeftOut> {
    let text = str::from_utf8(bytes).map_err(|error| LeftOut::NotText {
        at: error.valid_up_to(),
    })?;
    Ok(Script {
        name: found.file_name().unwrap_or_else(|| source.name_of(found)),
        text: text.into(),
        partial: source.partial,
    })
}

fn add_notice(notice: &mut Option<Line>, text: &Line) {
    *notice = Some(match notice.take() {
        None => text.clone(),
        Some(notice) => Line::new(format_args!("{notice}; {text}")),
    });
}

/// Reads keys, away from the serving threads.
async fn signers(source: &Source) -> Result<Signers, KeyError> {
    if source.signatures.is_empty() {
        return Ok(Signers::default());
    }
    let signatures = source.signatures.clone();
    tokio::task::spawn_blocking(move || Signers::read(&signatures))
        .await
        .expect("reading keys does not panic")
}

/// Reads secrets and looks at folders, away from the serving threads.
async fn configure(
    source: &Source,
    stores: &Stores,
    folders: &GrantedFolders,
) -> Result<Grants, GrantError> {
    let (source, stores, folders) = (source.clone(), stores.clone(), folders.clone());
    tokio::task::spawn_blocking(move || {
        Grants::configure(&source.allow, &stores, &folders, source.tenant.as_str())
    })
    .await
    .expect("configuring grants does not panic")
}

/// A filter that names a tool which is not there is a slip of the pen that would serve, or hide, the wrong tools.
fn check_filter<'a>(
    filter: &ToolFilter,
    tools: impl Iterator<Item = &'a str> + Clone,
) -> Result<(), LeftOut> {
    let (key, names) = match filter {
        ToolFilter::All => return Ok(()),
        ToolFilter::Include(names) => ("include", names),
        ToolFilter::Exclude(names) => ("exclude", names),
    };
    match names
        .iter()
        .find(|name| !tools.clone().any(|tool| tool == name.as_str()))
    {
        None => Ok(()),
        Some(name) => Err(LeftOut::Filter {
            key,
            tool: name.clone(),
            has: Line::excerpt(
                tools
                    .map(|tool| format!("`{tool}`"))
                    .collect::<Vec<_>>()
                    .join(", "),
            ),
        }),
    }
}
