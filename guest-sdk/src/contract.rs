//! The contract's types under short names, with constructors where they save
//! an author from naming every field.

pub use crate::bindings::{
    exports::sandglass::tool::tools::{
        CallError, CallRequest, Continuation, Guest, InputRequest, Outcome, Success, TaskSupport,
        Tool as ToolDescription, ToolAnnotations,
    },
    sandglass::tool::types::{
        Annotations, Answer, Content, ElicitationAction, ElicitationAnswer, EmbeddedResource,
        FormElicitation, Icon, IconTheme, LogLevel, MediaContent, Question, QuestionKind,
        ResourceBody, ResourceContents, ResourceLink, Role, Root, TextContent, UrlElicitation,
    },
};

/// ```
/// use sandglass_sdk::{Annotations, Content, ResourceContents, ResourceLink, Role, tool};
///
/// /// Reports on a city.
/// #[tool]
/// fn report(city: String) -> Vec<Content> {
///     let page = ResourceContents::text("report:1", "# Report").with_mime_type("text/markdown");
///     let for_people = Annotations { audience: vec![Role::User], priority: None, last_modified: None };
///     vec![
///         Content::text(format!("{city} is well.")).with_annotations(for_people),
///         Content::image([0x89, b'P', b'N', b'G'], "image/png"),
///         Content::audio([], "audio/wav"),
///         Content::resource(page),
///         Content::link(ResourceLink::new("https://example.com/", "More")),
///     ]
/// }
/// ```
impl Content {
    /// A block of text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(TextContent {
            text: text.into(),
            annotations: None,
            meta: None,
        })
    }

    /// An image: its bytes as they are (the host encodes them) and its MIME
    /// type, for example `image/png`.
    pub fn image(data: impl Into<Vec<u8>>, mime_type: impl Into<String>) -> Self {
        Self::Image(MediaContent::new(data.into(), mime_type.into()))
    }

    /// Sound: its bytes as they are (the host encodes them) and its MIME
    /// type, for example `audio/wav`.
    pub fn audio(data: impl Into<Vec<u8>>, mime_type: impl Into<String>) -> Self {
        Self::Audio(MediaContent::new(data.into(), mime_type.into()))
    }

    /// A resource with what it holds.
    pub fn resource(resource: ResourceContents) -> Self {
        Self::EmbeddedResource(EmbeddedResource {
            resource,
            annotations: None,
            meta: None,
        })
    }

    /// A link to a resource that the client may fetch.
    pub fn link(link: ResourceLink) -> Self {
        Self::ResourceLink(link)
    }

    /// The same block with hints for the client about how to use it.
    pub fn with_annotations(mut self, annotations: Annotations) -> Self {
        let place = match &mut self {
            Self::Text(text) => &mut text.annotations,
            Self::Image(media) | Self::Audio(media) => &mut media.annotations,
            Self::EmbeddedResource(resource) => &mut resource.annotations,
            Self::ResourceLink(link) => &mut link.annotations,
        };
        *place = Some(annotations);
        self
    }
}

impl MediaContent {
    fn new(data: Vec<u8>, mime_type: String) -> Self {
        Self {
            data,
            mime_type,
            annotations: None,
            meta: None,
        }
    }
}

impl ResourceContents {
    /// A resource that is text.
    pub fn text(uri: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(uri.into(), ResourceBody::Text(text.into()))
    }

    /// A resource that is bytes.
    pub fn blob(uri: impl Into<String>, data: impl Into<Vec<u8>>) -> Self {
        Self::new(uri.into(), ResourceBody::Blob(data.into()))
    }

    fn new(uri: String, body: ResourceBody) -> Self {
        Self {
            uri,
            mime_type: None,
            body,
            meta: None,
        }
    }

    /// The same resource with its MIME type.
    pub fn with_mime_type(mut self, mime_type: impl Into<String>) -> Self {
        self.mime_type = Some(mime_type.into());
        self
    }
}

impl ResourceLink {
    /// A link with what every link must have; the other fields are public.
    pub fn new(uri: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            uri: uri.into(),
            name: name.into(),
            title: None,
            description: None,
            mime_type: None,
            size: None,
            icons: Vec::new(),
            annotations: None,
            meta: None,
        }
    }
}
