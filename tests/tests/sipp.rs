//! sipp plays against the server: a peer that shares no line with us (Debian's package `sip-tester`).

use std::fs;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use tests::server::Server;

const CALLS: &str = "200";

/// Plays a scenario of `tests/sipp/`, each call for a presentity of its own; `transport` as sipp's `-t` names it.
fn play(scenario: &str, transport: &str, address: SocketAddr) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let errors = directory.path().join("errors.log");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("sipp").join(scenario);
    let played = Command::new("sipp")
        .current_dir(directory.path())
        .arg(address.to_string())
        .arg("-sf")
        .arg(&file)
        .args(["-t", transport, "-i", &address.ip().to_string(), "-m", CALLS, "-r", "200", "-l", "50"])
        .args(["-nostdin", "-timeout", "40s", "-timeout_error", "-trace_err", "-error_file"])
        .arg(&errors)
        .stdin(Stdio::null())
        .output();
    let output = match played {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            panic!("sipp is not installed; on Debian: apt-get install sip-tester")
        }
        other => other.expect("sipp runs"),
    };
    let said = String::from_utf8_lossy(&output.stdout);
    let log = fs::read_to_string(&errors).unwrap_or_default();
    assert!(output.status.success(), "{scenario}: {}\n{log}\n{said}", output.status);
}

#[test]
fn publications_over_udp() {
    let server = Server::quickstart();
    play("publish.xml", "u1", server.udp_address());
}

#[test]
fn publications_over_tcp() {
    let server = Server::quickstart();
    play("publish.xml", "t1", server.tcp_address());
}

#[test]
fn subscriptions_over_udp() {
    let server = Server::quickstart();
    play("subscribe_notify.xml", "u1", server.udp_address());
}
