//! Documents of presence and of its watchers, lowest floor first: XML, then its vocabularies.

/// Strict, bounded XML and namespace-aware copying.
pub mod xml;

/// Instants as documents write them (RFC 3339).
pub mod timestamp;

/// Domains, in one spelling (RFC 4745 §7.1.3).
pub mod domain_name;

/// Ids of tuples, persons and devices, unique over a document.
pub mod occurrence_id;

/// Rich presence (RFC 4480).
pub mod rpid;

/// What the Open Mobile Alliance adds.
pub mod oma_presence;

/// Persons and devices (RFC 4479).
pub mod data_model;

/// What stands in which order inside them.
pub mod child_order;

/// The presence information data format (RFC 3863).
pub mod pidf;

/// Watcher information (RFC 3858).
pub mod watcherinfo;

/// Rules and when they hold (RFC 4745).
pub mod common_policy;

/// What rules permit of presence (RFC 5025).
pub mod presence_rules;
