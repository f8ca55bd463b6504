//! A certificate for 127.0.0.1 and localhost, and the authority of this one server that signed it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::programs::{Account, program, run};

/// Where the files are.
#[derive(Clone, Debug)]
pub(super) struct Certificates {
    directory: PathBuf,
}

impl Certificates {
    /// Makes them in a directory that is made, too.
    pub(super) fn make(directory: &Path, account: Account) -> Self {
        fs::create_dir(directory).expect("the directory above is ours");
        let authority = ["-subj", "/CN=tests", "-keyout", "ca.key", "-out", "ca.pem"];
        request(directory, &authority, &["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign"]);
        let server =
            ["-subj", "/CN=localhost", "-keyout", "key.pem", "-out", "cert.pem", "-CA", "ca.pem", "-CAkey", "ca.key"];
        let names = "subjectAltName=IP:127.0.0.1,DNS:localhost";
        request(directory, &server, &["basicConstraints=critical,CA:FALSE", "extendedKeyUsage=serverAuth", names]);
        account.give(directory);
        Self { directory: directory.to_owned() }
    }

    pub(super) fn authority(&self) -> PathBuf {
        self.directory.join("ca.pem")
    }

    pub(super) fn certificate(&self) -> PathBuf {
        self.directory.join("cert.pem")
    }

    pub(super) fn key(&self) -> PathBuf {
        self.directory.join("key.pem")
    }
}

/// Makes a key and a certificate for it.
fn request(directory: &Path, arguments: &[&str], extensions: &[&str]) {
    let configuration = "[req]\ndistinguished_name=name\nprompt=no\n[name]\n";
    fs::write(directory.join("openssl.cnf"), configuration).expect("the directory is ours");
    let mut command = Command::new(program("openssl", "openssl"));
    command.current_dir(directory).args(["req", "-x509", "-config", "openssl.cnf", "-nodes", "-days", "2"]);
    command.args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]).args(arguments);
    for extension in extensions {
        command.args(["-addext", extension]);
    }
    run(&mut command);
}
