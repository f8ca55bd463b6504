//! An independent judge of what a filtered document shows (RFC 5025 §3.3): every element shown stands in the document, under the
//! same parents and in the same order, and has a permission of its own or is inside of one that has.

use module_api::sip::uri::Uri;
use presence::document::presence_rules::{Attribute, Attributes, Components, Permissions, UserInput};

use crate::pidf::{DATA_MODEL, PIDF, RPID};
use crate::xml::Element;

/// Judges `seen`, what is shown of `all`.
///
/// # Errors
/// What is shown and must not be.
pub(super) fn check(all: &Element, seen: &Element, permissions: &Permissions) -> Result<(), String> {
    if permissions.is_everything() || is_nothing_shown(seen) {
        return Ok(());
    }
    only_attributes(all, seen, &["entity"])?;
    in_order(all, seen, |whole, shown| is_component_permitted(whole, shown, permissions))
}

/// What one sees who is shown nothing is the document of one who published nothing.
fn is_nothing_shown(seen: &Element) -> bool {
    let [tuple] = seen.children.as_slice() else { return false };
    let [status] = tuple.children.as_slice() else { return false };
    tuple.attribute("id") == Some("off") && status.child(PIDF, "basic").is_some_and(|basic| basic.text == "closed")
}

/// Every child shown is one of the document's, in their order, of which `is_permitted` holds.
fn in_order(all: &Element, seen: &Element, is_permitted: impl Fn(&Element, &Element) -> bool) -> Result<(), String> {
    if !seen.text.trim_ascii().is_empty() {
        return Err(format!("<{}> shows text: {:?}", seen.name, seen.text));
    }
    let mut left = all.children.iter();
    for shown in &seen.children {
        let is_it = |whole: &&Element| whole.is(&shown.namespace, &shown.name) && is_permitted(whole, shown);
        left.find(is_it).ok_or_else(|| format!("<{}> in <{}> is not permitted", shown.name, seen.name))?;
    }
    Ok(())
}

/// Beside these, only what XML itself defines is shown of an element's attributes.
fn only_attributes(all: &Element, seen: &Element, names: &[&str]) -> Result<(), String> {
    let is_known = |name: &str| name.starts_with("xml") || names.contains(&name);
    match seen.attributes.iter().find(|(name, value)| !is_known(name) || all.attribute(name) != Some(value)) {
        Some((name, _)) => Err(format!("the attribute {name} of <{}> is shown", seen.name)),
        None => Ok(()),
    }
}

fn is_component_permitted(whole: &Element, shown: &Element, permissions: &Permissions) -> bool {
    let attributes = &permissions.attributes;
    let (chosen, uri) = match (whole.namespace.as_str(), whole.name.as_str()) {
        (PIDF, "tuple") => (&permissions.services, first_text(whole, &[PIDF], "contact")),
        (DATA_MODEL, "person") => (&permissions.persons, None),
        (DATA_MODEL, "device") => (&permissions.devices, first_text(whole, &[DATA_MODEL, RPID], "deviceID")),
        (PIDF, "note") => return attributes.include(Attribute::Note) && whole == shown,
        _ => return *attributes == Attributes::All && whole == shown,
    };
    if !is_chosen(whole, uri.as_deref(), chosen) {
        return false;
    }
    if *attributes == Attributes::All {
        return whole == shown;
    }
    let is_inside = |part: &Element, shown: &Element| is_part_permitted(&whole.name, part, shown, attributes);
    only_attributes(whole, shown, &["id"]).is_ok() && in_order(whole, shown, is_inside).is_ok()
}

/// RFC 5025 §3.3.1.
fn is_chosen(component: &Element, uri: Option<&str>, components: &Components) -> bool {
    let Components::Selected(selected) = components else { return true };
    let class = first_text(component, &[RPID], "class");
    let is_same = |one: &str, other: &str| {
        one == other
            || matches!((Uri::parse(one.as_bytes()), Uri::parse(other.as_bytes())), (Ok(one), Ok(other)) if one.same_as(&other))
    };
    component.attribute("id").is_some_and(|id| selected.occurrence_ids.contains(id))
        || class.is_some_and(|class| selected.classes.contains(&*class))
        || uri.is_some_and(|uri| {
            selected.uris.iter().any(|selected| is_same(selected, uri))
                || selected.uri_schemes.iter().any(|scheme| uri.split(':').next() == Some(scheme) && uri.contains(':'))
        })
}

/// The text of the first child of that name, without white space around it.
fn first_text(element: &Element, namespaces: &[&str], name: &str) -> Option<String> {
    let mut named = element.children.iter().filter(|child| child.name == name);
    let found = named.find(|child| namespaces.contains(&child.namespace.as_str()))?;
    Some(found.text.trim_ascii().to_owned())
}

/// RFC 5025 §3.3.2: what is inside of the component `component`.
fn is_part_permitted(component: &str, whole: &Element, shown: &Element, attributes: &Attributes) -> bool {
    if component == "tuple" && whole.is(PIDF, "status") {
        let is_inside = |part: &Element, shown: &Element| {
            part == shown && (part.is(PIDF, "basic") || is_extension_permitted(part, attributes))
        };
        return only_attributes(whole, shown, &[]).is_ok() && in_order(whole, shown, is_inside).is_ok();
    }
    if whole.is(RPID, "user-input") {
        return is_user_input_permitted(whole, shown, attributes.user_input());
    }
    whole == shown && (is_always_shown(component, whole) || is_named(component, whole, attributes))
}

/// The attributes that a component is nothing without.
fn is_always_shown(component: &str, part: &Element) -> bool {
    match part.name.as_str() {
        "contact" => component == "tuple" && part.namespace == PIDF,
        "deviceID" => component == "device" && [DATA_MODEL, RPID].contains(&part.namespace.as_str()),
        "service-class" => component == "tuple" && part.namespace == RPID,
        "timestamp" => part.namespace == if component == "tuple" { PIDF } else { DATA_MODEL },
        _ => false,
    }
}

fn is_named(component: &str, part: &Element, attributes: &Attributes) -> bool {
    let (everywhere, person, tuple) = (true, component == "person", component == "tuple");
    let (attribute, may_stand_here) = match (part.namespace.as_str(), part.name.as_str()) {
        (DATA_MODEL | RPID, "deviceID") => (Attribute::DeviceId, tuple),
        (DATA_MODEL | PIDF, "note") => (Attribute::Note, everywhere),
        (RPID, "activities") => (Attribute::Activities, person),
        (RPID, "class") => (Attribute::Class, everywhere),
        (RPID, "mood") => (Attribute::Mood, person),
        (RPID, "place-is") => (Attribute::PlaceIs, person),
        (RPID, "place-type") => (Attribute::PlaceType, person),
        (RPID, "privacy") => (Attribute::Privacy, person || tuple),
        (RPID, "relationship") => (Attribute::Relationship, tuple),
        (RPID, "sphere") => (Attribute::Sphere, person),
        (RPID, "status-icon") => (Attribute::StatusIcon, person || tuple),
        (RPID, "time-offset") => (Attribute::TimeOffset, person),
        _ => return is_extension_permitted(part, attributes),
    };
    may_stand_here && attributes.include(attribute)
}

fn is_extension_permitted(part: &Element, attributes: &Attributes) -> bool {
    let is_known = [PIDF, DATA_MODEL, RPID].contains(&part.namespace.as_str());
    !is_known && attributes.include_unknown(&part.namespace, &part.name)
}

fn is_user_input_permitted(whole: &Element, shown: &Element, permitted: UserInput) -> bool {
    let names: &[&str] = match permitted {
        UserInput::False => return false,
        UserInput::Bare => &["id"],
        UserInput::Thresholds => &["id", "idle-threshold"],
        UserInput::Full => return whole == shown,
    };
    whole.text == shown.text && whole.children == shown.children && only_attributes(whole, shown, names).is_ok()
}
