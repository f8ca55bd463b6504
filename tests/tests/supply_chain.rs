//! Where the crates we build on come from, under which licences, and which of them there are twice. `deny.toml` says the same
//! to cargo-deny, which also knows advisories but needs a network for them.
//!
//! Every exception stands here with its reason and the day it was made.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Licences that ask for no more than to be named; an expression needs one of each of its alternatives.
const LICENCES: [&str; 9] =
    ["MIT", "Apache-2.0", "ISC", "Zlib", "BSD-2-Clause", "BSD-3-Clause", "Unicode-3.0", "0BSD", "Unlicense"];

/// Crates under other licences, or whose licence is a file, and why they may be there.
const LICENCE_EXCEPTIONS: [(&str, &str, &str); 5] = [
    (
        "generational-arena",
        "MPL-2.0",
        "2026-11-27: a file's copyleft, and none of its files is changed; abi_stable brings it",
    ),
    ("rsip", "", "2026-11-27: MIT, in its LICENSE file; only tests use it"),
    ("rsip-derives", "", "2026-11-27: as rsip"),
    ("webpki", "", "2026-11-27: ISC, in its LICENSE file; the MySQL driver brings it"),
    (
        "webpki-roots",
        "CDLA-Permissive-2.0",
        "2026-11-27: data, the authorities that browsers trust, passed on as they are",
    ),
];

/// What nobody here may bring in, and what is there instead.
const BANNED: [(&str, &str); 6] = [
    ("openssl-sys", "rustls with ring: no system library, no C that parses what a peer sends"),
    ("native-tls", "rustls"),
    ("aws-lc-sys", "ring: aws-lc wants cmake"),
    ("openssl", "rustls with ring"),
    ("pq-sys", "tokio-postgres: no client library to install"),
    ("mysqlclient-sys", "mysql: no client library to install"),
];

/// Crates of which there are several versions, and who has not gone over to the newest.
const DUPLICATES: [(&str, &str); 17] = [
    ("base64", "2026-11-27: mysql_common"),
    ("block-buffer", "2026-11-27: digest"),
    ("const-oid", "2026-11-27: der, for the MySQL driver"),
    ("cpufeatures", "2026-11-27: sha1 and sha2 of mysql_common"),
    ("crypto-common", "2026-11-27: digest"),
    ("darling", "2026-11-27: abi_stable, which is complete"),
    ("darling_core", "2026-11-27: abi_stable"),
    ("darling_macro", "2026-11-27: abi_stable"),
    ("digest", "2026-11-27: mysql_common, and rsip in tests"),
    ("getrandom", "2026-11-27: ring and mysql_common"),
    ("libloading", "2026-11-27: abi_stable"),
    ("md-5", "2026-11-27: rsip, in tests"),
    ("regex-automata", "2026-11-27: rsip, in tests"),
    ("sha2", "2026-11-27: mysql_common, and rsip in tests"),
    ("strsim", "2026-11-27: abi_stable"),
    ("syn", "2026-11-27: abi_stable and darling"),
    ("uuid", "2026-11-27: rsip, in tests"),
];

struct Package {
    name: String,
    version: String,
    licence: Option<String>,
    source: Option<String>,
}

fn packages() -> Vec<Package> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in a workspace");
    let output = Command::new(env!("CARGO"))
        .current_dir(workspace)
        .args(["metadata", "--locked", "--format-version", "1", "--filter-platform", "x86_64-unknown-linux-gnu"])
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo writes JSON");
    let text = |package: &Value, field: &str| package[field].as_str().map(str::to_owned);
    let read = |package: &Value| Package {
        name: text(package, "name").expect("a package has a name"),
        version: text(package, "version").expect("a package has a version"),
        licence: text(package, "license"),
        source: text(package, "source"),
    };
    metadata["packages"].as_array().expect("a list").iter().map(read).collect()
}

/// Returns whether one of the alternatives of an SPDX expression is allowed in all its parts.
fn is_allowed(expression: &str) -> bool {
    let flat = expression.replace(['(', ')'], " ").replace('/', " OR ");
    let is_known = |licence: &str| LICENCES.contains(&licence.split(" WITH ").next().unwrap_or_default().trim());
    flat.split(" AND ").all(|part| part.split(" OR ").any(is_known))
}

#[test]
fn an_expression_is_allowed_if_one_of_its_alternatives_is() {
    for good in
        ["MIT", "MIT OR GPL-3.0", "Apache-2.0 WITH LLVM-exception", "(MIT OR Apache-2.0) AND Unicode-3.0", "MIT/X"]
    {
        assert!(is_allowed(good), "{good}");
    }
    for bad in ["GPL-2.0", "MIT AND GPL-2.0", "AGPL-3.0 OR SSPL-1.0", ""] {
        assert!(!is_allowed(bad), "{bad}");
    }
}

#[test]
fn every_crate_may_be_passed_on() {
    for package in packages().iter().filter(|package| package.source.is_some()) {
        let licence = package.licence.as_deref().unwrap_or_default();
        let exception = LICENCE_EXCEPTIONS.iter().find(|(name, _, _)| *name == package.name);
        let is_excepted = exception.is_some_and(|(_, known, _)| *known == licence);
        assert!(is_allowed(licence) || is_excepted, "{} {} is under {licence:?}", package.name, package.version);
    }
}

#[test]
fn every_crate_comes_from_crates_io_and_none_is_banned() {
    for package in packages() {
        let is_ours_or_public = package.source.as_deref().is_none_or(|source| source.contains("/crates.io-index"));
        assert!(is_ours_or_public, "{} comes from {:?}", package.name, package.source);
        let banned = BANNED.iter().find(|(name, _)| *name == package.name);
        assert!(banned.is_none(), "{banned:?}");
    }
}

#[test]
fn whatever_there_is_twice_is_known_and_nothing_else_is() {
    let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in packages() {
        versions.entry(package.name).or_default().insert(package.version);
    }
    let twice: Vec<&str> =
        versions.iter().filter(|(_, versions)| versions.len() > 1).map(|(name, _)| name.as_str()).collect();
    let known: Vec<&str> = DUPLICATES.iter().map(|(name, _)| *name).collect();
    assert_eq!(twice, known, "what is twice, and what is known to be");
}
