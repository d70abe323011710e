//! This program under Python's name: `python -m mcptools.server`, the command of containers whose runtime it replaces.

use std::ffi::OsString;
use std::path::Path;

use super::{Exit, Failure};

/// The names by which it is asked to stand in for Python.
const NAMES: [&str; 2] = ["python", "python3"];

/// The command line that is meant: the program's own, or that of the server that a container's command names.
pub fn command_line(mut given: impl Iterator<Item = OsString>) -> Result<Vec<OsString>, Failure> {
    let program = given.next().unwrap_or_default();
    let name = Path::new(&program).file_name();
    let is_python = name.is_some_and(|name| NAMES.iter().any(|known| name == *known));
    let arguments = given.collect::<Vec<_>>();
    if !is_python {
        return Ok([vec![program], arguments].concat());
    }
    match &arguments[..] {
        // The runtime that this replaces has no authentication.
        [module, name] if module == "-m" && name == "mcptools.server" => {
            Ok(["sandglass", "serve", "--allow-anonymous"]
                .map(OsString::from)
                .to_vec())
        }
        _ => Err(Failure::new(
            Exit::Usage,
            "this is not Python: Sandglass stands in for `python -m mcptools.server` and nothing else; run `sandglass` for its own commands",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meant(given: &[&str]) -> Option<Vec<String>> {
        let line = command_line(given.iter().map(OsString::from)).ok()?;
        Some(
            line.into_iter()
                .map(|word| word.into_string().unwrap())
                .collect(),
        )
    }

    #[test]
    fn pythons_name_stands_for_the_server_and_for_nothing_else() {
        for python in ["python", "/usr/local/bin/python3"] {
            let served = meant(&[python, "-m", "mcptools.server"]).unwrap();
            assert_eq!(served, ["sandglass", "serve", "--allow-anonymous"]);
            assert_eq!(meant(&[python, "-c", "print(1)"]), None);
            assert_eq!(meant(&[python]), None);
        }
        for own in [&["sandglass", "serve"][..], &["/bin/sandglass"], &[]] {
            assert_eq!(
                meant(own).map_or(0, |line| line.len()),
                own.len().max(1),
                "{own:?}"
            );
        }
    }
}
