//! The `modparam` table: the eleven names of 2006 and ours, with types, defaults and ranges.
//!
//! `docs/presence.md` describes each for operators; a test keeps the two in step.

use std::time::Duration;

use module_api::abi::{Parameter, ParameterProblem, Parameters};
use module_api::sip::token::is_token;
use module_api::sip::uri::Uri;
use smol_str::SmolStr;

use super::ceilings::CeilingSettings;
use super::core::{AcceptedWith, Settings};
use super::identity::IdentitySource;
use crate::composition;
use crate::document::xml;
use crate::limits::Limits;
use crate::policy::Policy;
use crate::publication::PublishPolicy;
use crate::store::url::DatabaseUrl;
use crate::store::{Durability, Migrate, TableNames, TakeOver};
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
    Parameter::integer("max_expires_publish", "0", 0, 31_536_000),
    Parameter::integer("max_expires_subscribe", "0", 0, 31_536_000),
    Parameter::integer("min_expires", "0", 0, 31_536_000),
    Parameter::text("presence_domains", ""),
    Parameter::text("identity", "authenticated"),
    Parameter::text("xcap_table", "xcap_xml"),
    Parameter::text("pres_rules_doc_types", "1,2"),
    Parameter::integer("rules_poll_period", "5", 0, 86_400),
    Parameter::integer("waiting_time", "259200", 1, 31_536_000),
    Parameter::text("composition_policy", "union"),
    Parameter::integer("notify_interval", "0", 0, 3_600_000),
    Parameter::integer("timeout_rm_subs", "1", 0, 1),
    Parameter::integer("cseq_offset", "0", 0, 1000),
    Parameter::integer("one_subscription_per_device", "0", 0, 1),
    Parameter::integer("subs_respond_200", "1", 0, 1),
    Parameter::text("server_address", ""),
    Parameter::text("contact_user", ""),
    Parameter::text("compat", ""),
    Parameter::text("nat", "auto"),
    Parameter::integer("recovery_notify_rate", "2000", 1, 1_000_000),
    Parameter::text("durability", "full"),
    Parameter::integer("auto_migrate", "1", 0, 1),
    Parameter::integer("db_timeout", "2000", 100, 60_000),
    Parameter::integer("take_over", "0", 0, 1),
    Parameter::integer("max_document_size", "65536", 512, 65_536),
    Parameter::integer("max_document_depth", "32", 4, 256),
    Parameter::integer("max_document_elements", "4096", 8, 65_536),
    Parameter::integer("max_document_attributes", "64", 4, 1024),
    Parameter::integer("max_publications_per_presentity", "64", 1, 65_536),
    Parameter::integer("max_bytes_per_presentity", "262144", 512, 16_777_216),
    Parameter::integer("max_publications", "5000000", 1, 1_000_000_000),
    Parameter::integer("max_subscriptions_per_watcher", "10000", 1, 1_000_000_000),
    Parameter::integer("max_subscriptions_per_presentity", "100000", 1, 1_000_000_000),
    Parameter::integer("max_subscriptions", "5000000", 1, 1_000_000_000),
    Parameter::integer("max_undecided_per_presentity", "10000", 1, 1_000_000_000),
    Parameter::integer("max_memory", "4096", 1, 1_048_576),
    Parameter::integer("max_queue", "16384", 1, 1_048_576),
    Parameter::integer("max_unanswered", "32", 1, 1_000_000),
];

/// The longest To-tag prefix; with the dot and 22 characters the tag stays within what an ABI call returns.
const TO_TAG_PREFIX_BYTES_MAX: usize = 32;

/// Refuses what types and ranges cannot rule out.
pub fn check(parameters: &Parameters) -> Vec<ParameterProblem> {
    let mut problems = Vec::new();
    if let Err(expected) = DatabaseUrl::parse(parameters.text("db_url")) {
        problems.push(ParameterProblem::new("db_url", "not a database URL", expected));
    }
    if let Err(bad) = table_names(parameters).check() {
        let name = ["presentity_table", "active_watchers_table", "watchers_table", "xcap_table"];
        let culprit = name.into_iter().rev().find(|name| parameters.text(name) == bad.0).unwrap_or("presentity_table");
        let expected = "a letter or underscore, then up to 62 letters, digits and underscores; no two tables the same";
        problems.push(ParameterProblem::new(culprit, "not the name of a table of its own", expected));
    }
    for (name, is_sound, message, expected) in TEXTS {
        if !is_sound(parameters.text(name)) {
            problems.push(ParameterProblem::new(name, *message, *expected));
        }
    }
    problems
}

/// A text parameter, what it must be, and how it is said that it is not.
type Text = (&'static str, fn(&str) -> bool, &'static str, &'static str);

const TEXTS: &[Text] = &[
    (
        "to_tag_pref",
        |prefix| prefix.len() <= TO_TAG_PREFIX_BYTES_MAX && is_token(prefix.as_bytes()),
        "not the beginning of a tag",
        "1 to 32 characters of a SIP token",
    ),
    (
        "durability",
        |value| durability(value).is_some(),
        "neither `full` nor `relaxed`",
        "`full` (a commit survives a loss of power) or `relaxed` (it survives the end of the process)",
    ),
    ("nat", |value| ["auto", "off"].contains(&value), "neither `auto` nor `off`", "`auto` or `off`"),
    (
        "identity",
        |value| IdentitySource::from_parameter(value).is_some(),
        "no source of identities",
        "`authenticated` (what the host or `presence_identity()` states) or `from` (the From URI, unproven)",
    ),
    (
        "composition_policy",
        |value| composition::Policy::from_token(value).is_some(),
        "no composition policy",
        "`union`, `newest` or `oma`",
    ),
    ("compat", |value| ["", "seed2006"].contains(&value), "no known behaviour", "empty, or `seed2006`"),
    (
        "pres_rules_doc_types",
        |value| doc_types(value).is_some_and(|types| !types.is_empty()),
        "not a list of document types",
        "whole numbers, separated by commas: `1,2`",
    ),
    (
        "presence_domains",
        |value| domains(value).iter().all(|domain| is_domain(domain)),
        "not a list of domains",
        "host names or addresses without ports, separated by commas or spaces",
    ),
    (
        "server_address",
        |value| value.is_empty() || Uri::parse(value.as_bytes()).is_ok_and(|uri| uri.is_sip()),
        "not a SIP URI",
        "a sip or sips URI at which this server is reached, such as `sip:192.0.2.9:5060`",
    ),
    (
        "contact_user",
        |value| {
            value.is_empty()
                || Uri::parse(format!("sip:{value}@h").as_bytes()).is_ok_and(|uri| uri.user == Some(value.as_bytes()))
        },
        "not the user part of a URI",
        "characters that may stand in front of the @ of a SIP URI",
    ),
];

fn doc_types(list: &str) -> Option<Vec<i64>> {
    list.split(',').map(|number| number.trim().parse().ok()).collect()
}

fn domains(list: &str) -> Vec<SmolStr> {
    let names = list.split([',', ' ']).filter(|name| !name.is_empty());
    names.map(|name| name.to_ascii_lowercase().into()).collect()
}

fn is_domain(name: &str) -> bool {
    Uri::parse(format!("sip:u@{name}").as_bytes())
        .is_ok_and(|uri| uri.host == name.as_bytes() && uri.port.is_none() && uri.raw.len() == name.len() + 6)
}

/// Returns the tables' names.
pub fn table_names(parameters: &Parameters) -> TableNames {
    TableNames {
        presentity: parameters.text("presentity_table").into(),
        active_watchers: parameters.text("active_watchers_table").into(),
        watchers: parameters.text("watchers_table").into(),
        xcap: parameters.text("xcap_table").into(),
    }
}

/// Turns checked parameters into the shapes the machines take.
pub fn settings(parameters: &Parameters) -> Settings {
    let number = |name| u32::try_from(parameters.integer(name)).unwrap_or(u32::MAX);
    let period = |name| Some(number(name)).filter(|period| *period > 0).map(|s| Duration::from_secs(s.into()));
    let is_2006 = parameters.text("compat") == "seed2006";
    let accepted = match number("subs_respond_200") {
        0 => AcceptedWith::Code202,
        _ if is_2006 => AcceptedWith::Code202ForPresence,
        _ => AcceptedWith::Code200,
    };
    Settings {
        policy: policy(parameters),
        shards: number("lock_set_size") as usize,
        queue_places: number("max_queue") as usize,
        unanswered_max: number("max_unanswered"),
        documents: xml::Limits {
            bytes_max: number("max_document_size") as usize,
            depth_max: number("max_document_depth") as usize,
            elements_max: number("max_document_elements") as usize,
            attributes_max: number("max_document_attributes") as usize,
            ..xml::Limits::default()
        },
        ceilings: CeilingSettings {
            publications_max: number("max_publications") as usize,
            subscriptions_max: number("max_subscriptions") as usize,
            per_watcher_max: number("max_subscriptions_per_watcher") as usize,
            memory_bytes_max: (number("max_memory") as usize) << 20,
        },
        to_tag_prefix: parameters.text("to_tag_pref").into(),
        clean_period: period("clean_period"),
        rules_poll_period: period("rules_poll_period"),
        rules_doc_types: doc_types(parameters.text("pres_rules_doc_types")).unwrap_or_default(),
        recovery_notify_rate: number("recovery_notify_rate"),
        follows_source: parameters.text("nat") == "auto",
        identity: IdentitySource::from_parameter(parameters.text("identity")).unwrap_or_default(),
        domains: domains(parameters.text("presence_domains")),
        server_address: parameters.text("server_address").into(),
        contact_user: parameters.text("contact_user").into(),
        presentity_in_to: is_2006,
        accepted,
    }
}

/// How the database is reached and taken into use.
pub(super) struct DatabaseSettings {
    pub(super) url: DatabaseUrl,
    pub(super) names: TableNames,
    pub(super) durability: Durability,
    pub(super) timeout: Duration,
    pub(super) migrate: Migrate,
    pub(super) take_over: TakeOver,
}

/// Reads what the module needs before it has any state.
///
/// # Errors
/// `db_url` is not one; [`check`] finds that out first.
pub(super) fn database(parameters: &Parameters) -> Result<DatabaseSettings, &'static str> {
    let is_set = |name| parameters.integer(name) != 0;
    Ok(DatabaseSettings {
        url: DatabaseUrl::parse(parameters.text("db_url"))?,
        names: table_names(parameters),
        durability: durability(parameters.text("durability")).unwrap_or_default(),
        timeout: Duration::from_millis(u64::try_from(parameters.integer("db_timeout")).unwrap_or(2000)),
        migrate: if is_set("auto_migrate") { Migrate::Automatically } else { Migrate::OnlyCheck },
        take_over: if is_set("take_over") { TakeOver::ByForce } else { TakeOver::IfOwnerIsGone },
    })
}

fn durability(value: &str) -> Option<Durability> {
    match value {
        "full" => Some(Durability::Full),
        "relaxed" => Some(Durability::Relaxed),
        _ => None,
    }
}

fn policy(parameters: &Parameters) -> Policy {
    let number = |name| u32::try_from(parameters.integer(name)).unwrap_or(u32::MAX);
    let longest = |name| Some(number(name)).filter(|seconds| *seconds > 0).unwrap_or(number("max_expires"));
    let min_expires_s = number("min_expires");
    Policy {
        publish: PublishPolicy {
            max_expires_s: longest("max_expires_publish"),
            min_expires_s,
            expires_offset_s: number("expires_offset"),
        },
        subscribe: SubscribePolicy {
            max_expires_s: longest("max_expires_subscribe"),
            min_expires_s,
            cseq_offset: number("cseq_offset"),
            one_per_device: number("one_subscription_per_device") != 0,
        },
        limits: Limits {
            publications_max: number("max_publications_per_presentity") as usize,
            document_bytes_max: number("max_bytes_per_presentity") as usize,
            subscriptions_max: number("max_subscriptions_per_presentity") as usize,
            undecided_max: number("max_undecided_per_presentity") as usize,
        },
        composition: composition::Policy::from_token(parameters.text("composition_policy"))
            .unwrap_or(composition::Policy::Union),
        force_active: parameters.integer("force_active") != 0,
        notify_interval_ms: number("notify_interval").into(),
        waiting_time_s: number("waiting_time").into(),
        silence_ends: number("timeout_rm_subs") != 0,
    }
}
