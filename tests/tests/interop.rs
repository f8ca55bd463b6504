//! Programs of others publish and watch through the server: baresip and PJSIP, crosswise (`tests/interop`).
//!
//! What counts is what they themselves show of each other. With `--nocapture` the table of it is printed.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tests::server::{Options, Server, with_setting};

/// PJSIP asks for no lifetime: it gets this one, which a killed one's watchers are to see the end of. Long enough that
/// nobody has to refresh in a hurry, short enough that everybody has to.
const MAX_EXPIRES_S: &str = "20";

/// Plays everything over one transport against a server of its own.
fn play(transport: &str) {
    let python = environment().join("bin/python");
    assert!(python.exists(), "PJSIP is not installed: run tests/interop/setup, which makes {}", python.display());
    let limit = format!(r#"modparam("presence", "max_expires", {MAX_EXPIRES_S})"#);
    let server = Server::start(&with_setting(&limit), Options::default());
    let address = if transport == "tcp" { server.tcp_address() } else { server.udp_address() };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("interop/interop.py");
    let output = Command::new(python)
        .arg("-B")
        .arg(script)
        .args([&address.to_string(), transport, "--max-expires", MAX_EXPIRES_S])
        .stdin(Stdio::null())
        .output()
        .expect("Python runs");
    let table = String::from_utf8_lossy(&output.stdout);
    println!("{table}");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{table}\n{complaint}", output.status);
}

/// Where `tests/interop/setup` keeps PJSIP.
fn environment() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in a workspace");
    workspace.join(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into())).join("interop")
}

#[test]
fn baresip_and_pjsip_see_each_other_over_udp() {
    play("udp");
}

#[test]
fn baresip_and_pjsip_see_each_other_over_tcp() {
    play("tcp");
}
