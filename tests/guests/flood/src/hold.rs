//! What a guest can make the host hold: as much of a kind as there can be at once.

use std::any::Any;
use std::iter::repeat_with;

use wasip2::clocks::monotonic_clock::subscribe_duration;

use crate::{filesystem, http};

/// As many resources as a guest can hold, less a few.
const RESOURCES: usize = 900;

type Held = Box<dyn Any>;

/// A kind of thing by its name, and one of it, with arguments of so many bytes; none where there can be no more. Beside
/// it stands how many resources it takes.
const KINDS: &[(&str, usize, fn(usize) -> Option<Held>)] = &[
    ("answers", 2, |size| {
        held(http::answer(&http::server()?, &format!("/bytes?{size}")))
    }),
    ("bodies", 3, |size| {
        let body = http::request().body().ok()?;
        let stream = body.write().ok()?;
        let room = stream.check_write().ok()? as usize;
        stream.write(&vec![b'x'; size.min(room)]).ok()?;
        held(Some((stream, body)))
    }),
    ("fields", 1, |_| held(Some(http::many()))),
    ("files", 1, |_| held(filesystem::zeros())),
    ("listings", 1, |_| {
        held(filesystem::names()?.read_directory().ok())
    }),
    ("requests", 1, |size| held(Some(http::long_request(size)))),
];

/// Holds as many as there can be, and then waits.
pub fn hold(kind: &str, size: usize) -> Result<(), String> {
    let (_, resources, one) = KINDS
        .iter()
        .find(|(known, ..)| *known == kind)
        .ok_or_else(|| format!("nothing is called {kind:?}"))?;
    let all: Vec<Held> = repeat_with(|| one(size))
        .map_while(|one| one)
        .take(RESOURCES / resources)
        .collect();
    subscribe_duration(u64::MAX).block();
    drop(all);
    Ok(())
}

fn held<T: 'static>(one: Option<T>) -> Option<Held> {
    Some(Box::new(one?))
}
