//! The `modparam` table: the eleven names of 2006 and ours, with types, defaults and ranges.
//!
//! `docs/presence.md` describes each for operators; a test keeps the two in step.

use std::time::Duration;

use module_api::abi::{Parameter, ParameterProblem, Parameters};

use super::core::Settings;
use crate::publication::PublishPolicy;
use crate::store::TableNames;
use crate::subscription::SubscribePolicy;

/// Every parameter, the seed's first and in its order.
pub const PARAMETERS: &[Parameter] = &[
    Parameter::text("db_url", "sqlite://presence.sqlite"),
    Parameter::text("presentity_table", "presentity"),
    Parameter::text("active_watchers_table", "active_watchers"),
    Parameter::text("watchers_table", "watchers"),
    Parameter::integer("clean_period", "100", 0, 86_400),
    Parameter::text("to_tag_pref", "10"),
    Parameter::integer("totag_avpid", "25", 0, u16::MAX as i64),
    Parameter::integer("lock_set_size", "8", 1, 65_536),
    Parameter::integer("expires_offset", "0", 0, 3600),
    Parameter::integer("force_active", "0", 0, i32::MAX as i64),
    Parameter::integer("max_expires", "3600", 1, 31_536_000),
    Parameter::text("nat", "auto"),
    Parameter::integer("recovery_notify_rate", "2000", 1, 1_000_000),
];

/// Decisions that may wait for the database.
const QUEUE_PLACES: usize = 16_384;
/// The longest To-tag prefix; with the dot and 22 characters the tag stays within what an ABI call returns.
const TO_TAG_PREFIX_BYTES_MAX: usize = 32;

/// Where the state lives.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum DatabaseUrl {
    /// A file of the embedded database.
    Sqlite {
        /// Its path.
        path: String,
    },
    /// A database server. Recognised, so that old scripts are checked; not served yet.
    Server {
        /// `mysql` or `postgres`.
        scheme: String,
    },
}

impl DatabaseUrl {
    /// Reads a `db_url`.
    ///
    /// # Errors
    /// What was expected instead; never the URL itself, which may hold a password.
    pub fn parse(url: &str) -> Result<Self, &'static str> {
        const EXPECTED: &str = "sqlite://PATH, mysql://USER:PASSWORD@HOST[:PORT]/DATABASE or postgres://…";
        let (scheme, rest) = url.split_once("://").ok_or(EXPECTED)?;
        match scheme {
            "sqlite" if !rest.is_empty() => Ok(Self::Sqlite { path: rest.into() }),
            "mysql" | "postgres" => {
                let (authority, database) = rest.split_once('/').ok_or(EXPECTED)?;
                let host = authority.rsplit('@').next().unwrap_or_default();
                if host.is_empty() || database.is_empty() {
                    Err(EXPECTED)
                } else {
                    Ok(Self::Server { scheme: scheme.into() })
                }
            }
            _ => Err(EXPECTED),
        }
    }
}

/// Refuses what types and ranges cannot rule out.
pub fn check(parameters: &Parameters) -> Vec<ParameterProblem> {
    let mut problems = Vec::new();
    if let Err(expected) = DatabaseUrl::parse(parameters.text("db_url")) {
        problems.push(ParameterProblem::new("db_url", "not a database URL", expected));
    }
    if let Err(bad) = table_names(parameters).check() {
        let name = ["presentity_table", "active_watchers_table", "watchers_table"];
        let culprit = name.into_iter().rev().find(|name| parameters.text(name) == bad.0).unwrap_or("presentity_table");
        let expected = "a letter or underscore, then up to 62 letters, digits and underscores; no two tables the same";
        problems.push(ParameterProblem::new(culprit, "not the name of a table of its own", expected));
    }
    let prefix = parameters.text("to_tag_pref").as_bytes();
    if prefix.is_empty() || prefix.len() > TO_TAG_PREFIX_BYTES_MAX || !module_api::sip::token::is_token(prefix) {
        problems.push(ParameterProblem::new(
            "to_tag_pref",
            "not the beginning of a tag",
            "1 to 32 characters of a SIP token",
        ));
    }
    if !["auto", "off"].contains(&parameters.text("nat")) {
        problems.push(ParameterProblem::new("nat", "neither `auto` nor `off`", "`auto` or `off`"));
    }
    problems
}

/// Returns the tables' names.
pub fn table_names(parameters: &Parameters) -> TableNames {
    TableNames {
        presentity: parameters.text("presentity_table").into(),
        active_watchers: parameters.text("active_watchers_table").into(),
        watchers: parameters.text("watchers_table").into(),
    }
}

/// Turns checked parameters into the shapes the machines take.
pub fn settings(parameters: &Parameters) -> Settings {
    let number = |name| u32::try_from(parameters.integer(name)).unwrap_or(u32::MAX);
    let max_expires_s = number("max_expires");
    Settings {
        publish: PublishPolicy { max_expires_s, expires_offset_s: number("expires_offset") },
        subscribe: SubscribePolicy { max_expires_s, force_active: parameters.integer("force_active") != 0 },
        shards: number("lock_set_size") as usize,
        queue_places: QUEUE_PLACES,
        to_tag_prefix: parameters.text("to_tag_pref").into(),
        clean_period: Some(number("clean_period")).filter(|period| *period > 0).map(|s| Duration::from_secs(s.into())),
        recovery_notify_rate: number("recovery_notify_rate"),
        follows_source: parameters.text("nat") == "auto",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_url_is_understood_or_the_answer_says_what_would_be() {
        let check = |url, expected: Option<DatabaseUrl>| assert_eq!(DatabaseUrl::parse(url).ok(), expected, "{url}");
        check(
            "sqlite:///var/lib/presence.sqlite",
            Some(DatabaseUrl::Sqlite { path: "/var/lib/presence.sqlite".into() }),
        );
        check("sqlite://presence.sqlite", Some(DatabaseUrl::Sqlite { path: "presence.sqlite".into() }));
        let server = |scheme: &str| Some(DatabaseUrl::Server { scheme: scheme.into() });
        check("mysql://openser:openserrw@192.168.2.132/openser", server("mysql"));
        check("postgres://u:p@[2001:db8::1]:5432/presence", server("postgres"));
        for bad in ["", "garbage", "sqlite://", "mysql://host", "mysql:///db", "mysql://u:p@/db", "oracle://h/d"] {
            check(bad, None);
        }
    }
}
