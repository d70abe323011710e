//! Limits, and the engine's bounds on them.

use serde_saphyr::Location;

use super::Resolver;
use crate::{
    ByteSize, Engine, Limits, ManifestError, document::DocumentBody, engine::EngineDocument,
    field::Field, limits::LimitsPatch,
};

/// WebAssembly's page size: no memory is smaller.
const PAGE: ByteSize = ByteSize::kib(64);

/// Less is not enough for a request and its response.
const LEAST_HOST_MEMORY: ByteSize = ByteSize::mib(1);

/// What 32-bit addresses reach: no memory is larger.
const LARGEST_MEMORY: ByteSize = ByteSize::mib(4096);

impl Resolver<'_> {
    pub(super) fn engine(
        &self,
        document: &EngineDocument,
        absent: Engine,
    ) -> Result<Engine, ManifestError> {
        if let Some((memory, place)) = document.max_memory.get() {
            self.check_page("engine.max_memory", *memory, place)?;
            if *memory > LARGEST_MEMORY {
                return self.refuse(
                    place,
                    format!(
                        "engine.max_memory {memory} is over {LARGEST_MEMORY}, the most that a \
                         32-bit WebAssembly memory can have"
                    ),
                );
            }
        }
        let cache_dir = match document.cache_dir.get() {
            None => absent.cache_dir,
            Some((path, place)) => Some(self.path("engine.cache_dir", path, place)?.into_inner()),
        };
        fn or<T: Copy>(field: &Field<T>, absent: T) -> T {
            field.value().copied().unwrap_or(absent)
        }
        Ok(Engine {
            max_memory: or(&document.max_memory, absent.max_memory),
            max_instances: or(&document.max_instances, absent.max_instances),
            cache_dir,
            cache_size: or(&document.cache_size, absent.cache_size),
            tag_interval: or(&document.tag_interval, absent.tag_interval),
        })
    }

    /// The limits that a block, if there is one, makes of those that it inherits.
    pub(super) fn limits(
        &self,
        patch: &Field<LimitsPatch>,
        inherited: Limits,
        engine: &Engine,
    ) -> Result<Limits, ManifestError> {
        let Some(patch) = patch.value() else {
            return Ok(inherited);
        };
        if let Some((memory, place)) = patch.memory.get() {
            self.check_memory(*memory, engine, place)?;
        }
        if let Some((memory, place)) = patch.host_memory.get()
            && *memory < LEAST_HOST_MEMORY
        {
            return self.refuse(
                place,
                format!(
                    "limits.host_memory {memory} is less than {LEAST_HOST_MEMORY}, which a call's requests and files need; raise it"
                ),
            );
        }
        if let Some((output, place)) = patch.output.get()
            && output.get() == 0
        {
            return self.refuse(
                place,
                "limits.output 0 leaves no room for any result; raise it",
            );
        }
        Ok(inherited.with(patch))
    }

    pub(super) fn check_memory(
        &self,
        memory: ByteSize,
        engine: &Engine,
        place: Location,
    ) -> Result<(), ManifestError> {
        self.check_page("limits.memory", memory, place)?;
        if memory > engine.max_memory {
            let most = engine.max_memory;
            return self.refuse(
                place,
                format!(
                    "limits.memory {memory} is over engine.max_memory {most}; \
                     lower the one or raise the other"
                ),
            );
        }
        Ok(())
    }

    fn check_page(&self, key: &str, size: ByteSize, place: Location) -> Result<(), ManifestError> {
        if size < PAGE {
            return self.refuse(
                place,
                format!("{key} {size} is less than {PAGE}, one WebAssembly page; raise it"),
            );
        }
        Ok(())
    }

    /// A lowered `engine.max_memory` can fall below the built-in `limits.memory`, which no block holds.
    pub(super) fn check_inherited_memory(
        &self,
        document: &DocumentBody,
        limits: Limits,
        engine: &Engine,
    ) -> Result<(), ManifestError> {
        let lowered = document
            .engine
            .value()
            .and_then(|engine| engine.max_memory.get());
        match lowered {
            Some((most, place)) if limits.memory > engine.max_memory => self.refuse(
                place,
                format!(
                    "engine.max_memory {most} is under the default limits.memory {}; \
                     set defaults.limits.memory to {most} or less",
                    limits.memory
                ),
            ),
            _ => Ok(()),
        }
    }
}
