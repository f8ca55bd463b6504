//! The way to a server: proven where it is to be, and silent about how we get in.

use std::error::Error;
use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use presence::store::StoreError;
use presence::store::url::DatabaseUrl;
use tests::database_server::{DatabaseServer, Kind, PASSWORD, USER};

use crate::backend::Backend;
use crate::fixtures::{commit, load, publication, publication_stored};
use crate::promise::{Promise, promise};
use crate::scene::{Scene, Start};

pub(crate) const PROMISES: &[Promise] = &[
    promise!(a_server_proves_by_its_certificate_who_it_is).except(FILE),
    promise!(no_failure_to_connect_tells_how_we_get_in).except(FILE),
];

const FILE: &[(Backend, &str)] = &[(Backend::Sqlite, "there is no way to a file on which somebody could listen")];

/// By an authority of the operator's, and by its name; otherwise it is refused before it hears anything.
fn a_server_proves_by_its_certificate_who_it_is(scene: &Scene<'_>) {
    let kind = scene.backend.server().unwrap();
    let server = scene.servers.with_tls(kind);
    let url = server.create_database("presence");
    assert!(url.ends_with(&format!("?tls=on&tls_ca={}", server.ca_file().display())), "{url}");
    for url in [url.clone(), url.replace("127.0.0.1", "localhost")] {
        let mut store = Start { url, ..scene.start() }.open().unwrap().0;
        let n = load(&mut store).len() as u64;
        commit(&mut store, &[publication_stored(&publication(n, "dana"))]);
    }
    let (plain, _) = url.split_once('?').unwrap();
    let stranger = scene.servers.with_tls(if kind == Kind::MariaDb { Kind::PostgreSql } else { Kind::MariaDb });
    let strangers_authority = format!("{plain}?tls=on&tls_ca={}", stranger.ca_file().display());
    check_refused(scene, strangers_authority, "certificate");
    check_refused(scene, format!("{plain}?tls=on"), "certificate");
    let elsewhere = forward("127.0.0.2", server);
    check_refused(scene, url.replace(&format!("127.0.0.1:{}", server.port()), &elsewhere), "certificate");
    check_refused(scene, format!("{plain}?tls=on&tls_ca=/nowhere/ca.pem"), "/nowhere/ca.pem");
    check_refused(scene, plain.to_owned(), "");
    let without_tls = scene.url() + "?tls=on";
    check_refused(scene, without_tls, "");
}

/// Whatever goes wrong, and however it is written down.
fn no_failure_to_connect_tells_how_we_get_in(scene: &Scene<'_>) {
    let (url, port) = (scene.url(), scene.server().port());
    check_refused(scene, url.replace(PASSWORD, "another-secret-of-the-tests"), "");
    check_refused(scene, url.replace(USER, "nobody"), "");
    let (place, _) = url.rsplit_once('/').unwrap();
    check_refused(scene, format!("{place}/no_such_database"), "no_such_database");
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    check_refused(scene, url.replace(&port.to_string(), &nobody.to_string()), "");
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = url.replace(&port.to_string(), &silent.local_addr().unwrap().port().to_string());
    check_refused(scene, silent, "");
    check_refused(scene, url.replace("127.0.0.1", "no-such-host.invalid"), "");
    let parsed = DatabaseUrl::parse(&url).unwrap();
    assert!(!format!("{parsed} {parsed:?}").contains(PASSWORD));
}

/// Expects that `url` is refused in words that hold `expected` and no password.
fn check_refused(scene: &Scene<'_>, url: String, expected: &str) {
    let refusal = Start { url, timeout: Duration::from_secs(3), ..scene.start() }.refusal();
    let mut said = format!("{refusal} {refusal:?}");
    assert!(matches!(refusal, StoreError::Database(_)), "{said}");
    let causes = std::iter::successors(refusal.source(), |error| (*error).source());
    said.extend(causes.map(|cause| format!(" {cause} {cause:?}")));
    assert!(said.to_lowercase().contains(expected), "{said}");
    assert!(!said.contains("secret-of-the-tests"), "{said}");
}

/// Listens at another address and leads whoever comes to `server`; returns the address.
fn forward(address: &str, server: &DatabaseServer) -> String {
    let listener = TcpListener::bind((address, 0)).unwrap();
    let (here, port) = (listener.local_addr().unwrap().to_string(), server.port());
    thread::spawn(move || {
        for client in listener.incoming() {
            let (client, server) = (client.unwrap(), TcpStream::connect(("127.0.0.1", port)).unwrap());
            for (from, to) in [(&client, &server), (&server, &client)] {
                let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                thread::spawn(move || {
                    // Either end may break off; the other is told.
                    let _ = io::copy(&mut from, &mut to);
                    let _ = to.shutdown(Shutdown::Write);
                });
            }
        }
    });
    here
}
