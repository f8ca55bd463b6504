//! Who a rule is for: the identity condition (RFC 4745 §7.1).
//!
//! Who asks is known by one authenticated URI or by none; there are no aliases, and URIs of different schemes are never one
//! identity (RFC 5025 §3.1.1.2).

use std::collections::{BTreeMap, BTreeSet};

use module_api::sip::uri::{Aor, Uri};
use roxmltree::Node;

use super::{NAMESPACE, is, value};
use crate::document::{domain_name, xml};
use crate::planted::Planted;

/// One who asks and was authenticated.
#[derive(Debug)]
pub struct Watcher<'w> {
    uri: Uri<'w>,
    key: Option<Aor>,
    domain: Option<String>,
}

/// Whom an `identity` element names; its children are alternatives.
#[derive(Clone, Debug)]
pub(super) enum Identity {
    /// Whoever asks, authenticated or not: the element is empty.
    Anyone,
    /// Those named.
    Named { ones: Uris, groups: Vec<Group> },
}

/// A `many` element: everybody who was authenticated, or those of one domain, except some.
#[derive(Clone, Debug)]
pub(super) struct Group {
    domain: Option<String>,
    except: Uris,
    except_domains: BTreeSet<String>,
}

/// URIs by whom they name: the same URIs name the same, so only few are ever compared.
#[derive(Clone, Debug, Default)]
pub(super) struct Uris(BTreeMap<Option<Aor>, Vec<Box<str>>>);

impl<'w> Watcher<'w> {
    /// Reads the URI a watcher was authenticated as; what is none is nobody's identity.
    pub fn new(identity: &'w str) -> Option<Self> {
        let uri = Uri::parse(identity.as_bytes()).ok()?;
        let domain = std::str::from_utf8(uri.host).ok().and_then(domain_name::to_ascii);
        Some(Self { uri, key: uri.aor(), domain })
    }

    fn is_of(&self, domain: &str) -> bool {
        let is_as_long = || self.domain.as_ref().is_some_and(|own| own.len() == domain.len());
        self.domain.as_deref() == Some(domain) || Planted::DomainByLength.is_here() && is_as_long()
    }
}

impl Identity {
    /// Reads an `identity` element. A child that is not known names nobody.
    pub(super) fn read(identity: Node<'_, '_>) -> Self {
        if xml::elements(identity).next().is_none() {
            return Self::Anyone;
        }
        let (mut ones, mut groups) = (Uris::default(), Vec::new());
        for child in xml::elements(identity) {
            match child.tag_name().name() {
                _ if child.tag_name().namespace() != Some(NAMESPACE) => {}
                "one" => ones.extend(value(child, "id")),
                "many" => groups.extend(Group::read(child)),
                _ => {}
            }
        }
        Self::Named { ones, groups }
    }

    /// Says whether it names `watcher`, who was not authenticated if `None`.
    pub(super) fn includes(&self, watcher: Option<&Watcher<'_>>) -> bool {
        match (self, watcher) {
            (Self::Anyone, _) => true,
            (Self::Named { .. }, None) => false,
            (Self::Named { ones, groups }, Some(watcher)) => {
                ones.contains(watcher) || groups.iter().any(|group| group.includes(watcher))
            }
        }
    }
}

impl Group {
    /// Reads a `many` element; `None` if it can include nobody. A child that is not known, or an exception that cannot be
    /// understood, may be meant for anybody, so it is one for everybody.
    fn read(many: Node<'_, '_>) -> Option<Self> {
        let domain = match value(many, "domain") {
            Some(domain) => Some(domain_name::to_ascii(domain)?),
            None => None,
        };
        let mut group = Self { domain, except: Uris::default(), except_domains: BTreeSet::new() };
        for child in xml::elements(many) {
            if !is(child, "except") {
                return None;
            }
            let (id, domain) = (value(child, "id"), value(child, "domain"));
            if id.is_none() && domain.is_none() {
                return None;
            }
            if let Some(id) = id.map(str::trim_ascii) {
                Uri::parse(id.as_bytes()).ok()?;
                group.except.extend(Some(id));
            }
            if let Some(domain) = domain {
                group.except_domains.insert(domain_name::to_ascii(domain)?);
            }
        }
        Some(group)
    }

    fn includes(&self, watcher: &Watcher<'_>) -> bool {
        let is_excepted = self.except.contains(watcher)
            || watcher.domain.as_ref().is_some_and(|domain| self.except_domains.contains(domain));
        let is_excepted = is_excepted && !Planted::ExceptIgnored.is_here();
        !is_excepted && self.domain.as_deref().is_none_or(|domain| watcher.is_of(domain))
    }
}

impl Uris {
    /// Adds a URI; what is none equals no identity.
    fn extend(&mut self, uri: Option<&str>) {
        let Some(uri) = uri.map(str::trim_ascii) else { return };
        if let Ok(parsed) = Uri::parse(uri.as_bytes()) {
            self.0.entry(parsed.aor()).or_default().push(uri.into());
        }
    }

    fn contains(&self, watcher: &Watcher<'_>) -> bool {
        let candidates = self.0.get(&watcher.key).into_iter().flatten();
        candidates.filter_map(|uri| Uri::parse(uri.as_bytes()).ok()).any(|uri| uri.same_as(&watcher.uri))
    }
}
