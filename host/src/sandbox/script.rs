//! Source text that is bound to an interpreter, and the host's side of `sandglass:tool/source`.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use wasmtime::component::{HasData, Linker};

use self::bindings::sandglass::tool::source;
use super::meter::Bill;
use super::reflect::LeftOut;
use super::state::CallState;
use crate::source::Digest;

mod bindings {
    wasmtime::component::bindgen!({
        inline: "
            package sandglass:host;
            world interpreter {
                import sandglass:tool/source@0.1.0;
            }
        ",
        path: "../wit",
        world: "sandglass:host/interpreter",
        imports: { default: trappable },
    });
}

/// Functions of one text that are told of as being no tools.
const MAX_LEFT_OUT: usize = 1_000;

/// Source text for an interpreter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// What to call it in messages: a file's name, or the source's name in the manifest.
    pub name: String,
    /// The text.
    pub text: Arc<str>,
    /// Serve what can be a tool, and leave out what cannot.
    pub partial: bool,
}

/// A text, and what the interpreter keeps of it for calls.
#[derive(Debug)]
pub(super) struct Bound {
    pub script: Script,
    pub digest: Digest,
    kept: OnceLock<Bytes>,
}

/// What an instance sees of the text that its component is bound to.
pub(super) struct View {
    bound: Arc<Bound>,
    /// What `list-tools` keeps and tells; none in a call.
    reading: Option<Reading>,
}

#[derive(Default)]
struct Reading {
    program: Option<Vec<u8>>,
    left_out: Vec<LeftOut>,
}

impl Bound {
    pub(super) fn new(script: Script) -> Self {
        Self {
            digest: Digest::of(script.text.as_bytes()),
            script,
            kept: OnceLock::new(),
        }
    }
}

impl View {
    /// For a call.
    pub(super) fn of(bound: &Arc<Bound>) -> Self {
        Self {
            bound: Arc::clone(bound),
            reading: None,
        }
    }

    /// For `list-tools`.
    pub(super) fn reading(bound: &Arc<Bound>) -> Self {
        Self {
            bound: Arc::clone(bound),
            reading: Some(Reading::default()),
        }
    }

    /// The tools are listed: from now on calls get what was kept. The functions that are no tools.
    pub(super) fn finish(&mut self) -> Vec<LeftOut> {
        let Some(reading) = self.reading.take() else {
            return Vec::new();
        };
        if let Some(program) = reading.program {
            // The same text gives the same program: the first one stays.
            _ = self.bound.kept.set(program.into());
        }
        reading.left_out
    }
}

/// Gives an instance the text that its component is bound to, if it is.
pub(super) struct Host<'a> {
    pub view: Option<&'a mut View>,
    pub bill: &'a Bill,
}

impl HasData for View {
    type Data<'a> = Host<'a>;
}

impl source::Host for Host<'_> {
    fn bound(&mut self) -> wasmtime::Result<Option<source::Script>> {
        Ok(self.view.as_ref().map(|view| {
            let Script {
                name,
                text,
                partial,
            } = &view.bound.script;
            self.bill.bytes(name.len() + text.len());
            source::Script {
                name: name.clone(),
                text: text.to_string(),
                partial: *partial,
            }
        }))
    }

    fn keep(&mut self, program: Vec<u8>) -> wasmtime::Result<()> {
        self.bill.bytes(program.len());
        if let Some(reading) = self.reading() {
            reading.program = Some(program);
        }
        Ok(())
    }

    fn kept(&mut self) -> wasmtime::Result<Option<Vec<u8>>> {
        let kept = self.view.as_ref().and_then(|view| view.bound.kept.get());
        self.bill.bytes(kept.map_or(0, Bytes::len));
        Ok(kept.map(|program| program.to_vec()))
    }

    fn leave_out(&mut self, function: String, reason: String) -> wasmtime::Result<()> {
        self.bill.bytes(function.len() + reason.len());
        if let Some(reading) = self.reading()
            && reading.left_out.len() < MAX_LEFT_OUT
        {
            reading.left_out.push(LeftOut { function, reason });
        }
        Ok(())
    }
}

impl Host<'_> {
    fn reading(&mut self) -> Option<&mut Reading> {
        self.view.as_mut()?.reading.as_mut()
    }
}

/// Links `sandglass:tool/source`.
pub(super) fn add_to_linker(
    linker: &mut Linker<CallState>,
    view: fn(&mut CallState) -> Host<'_>,
) -> wasmtime::Result<()> {
    source::add_to_linker::<CallState, View>(linker, view)
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::source::Host as _;
    use super::*;

    fn host(view: Option<&mut View>) -> Host<'_> {
        static BILL: LazyLock<Bill> = LazyLock::new(Bill::default);
        Host { view, bill: &BILL }
    }

    fn bound() -> Arc<Bound> {
        Arc::new(Bound::new(Script {
            name: "tools.py".to_owned(),
            text: "x".into(),
            partial: true,
        }))
    }

    #[test]
    fn calls_get_what_the_listing_kept_and_cannot_change_it() {
        let bound = bound();
        let mut listing = View::reading(&bound);
        host(Some(&mut listing)).keep(vec![1]).unwrap();
        assert_eq!(host(Some(&mut View::of(&bound))).kept().unwrap(), None);
        listing.finish();
        let mut call = View::of(&bound);
        host(Some(&mut call)).keep(vec![2]).unwrap();
        call.finish();
        assert_eq!(
            host(Some(&mut View::of(&bound))).kept().unwrap(),
            Some(vec![1])
        );
    }

    #[test]
    fn functions_that_are_left_out_are_told_up_to_a_number() {
        let bound = bound();
        let mut listing = View::reading(&bound);
        for number in 0..=MAX_LEFT_OUT {
            let (function, reason) = (number.to_string(), String::new());
            host(Some(&mut listing))
                .leave_out(function, reason)
                .unwrap();
        }
        assert_eq!(listing.finish().len(), MAX_LEFT_OUT);
    }

    #[test]
    fn a_component_without_text_has_none() {
        assert!(host(None).bound().unwrap().is_none());
        assert_eq!(host(None).kept().unwrap(), None);
    }
}
