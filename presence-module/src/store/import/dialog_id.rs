//! URIs, routes and addresses as a dialog needs them: checked before anything is sent by them.

use std::borrow::Cow;

use module_api::sip::list::List;
use module_api::sip::name_addr::NameAddr;
use module_api::sip::uri::Uri;
use smol_str::{SmolStr, format_smolstr};

use super::foreign_row::{ForeignRow, Skipped};
use crate::change::TransportAddress;
use crate::package::Package;
use crate::presentity_uri::UserAtDomain;

impl ForeignRow {
    /// Returns the package a row is for, if it is served here.
    pub(super) fn package(&self) -> Result<Package, Skipped> {
        let event = self.text("event")?;
        Package::of(&event).ok_or_else(|| {
            let known = OTHER_PACKAGES.iter().find(|name| **name == event);
            Skipped::because(match known {
                Some(name) => format!("the event package `{name}` is not served here"),
                None => "an event package that is not served here".into(),
            })
        })
    }

    /// Returns the URI of a user whose two parts stand in two columns, as the NOTIFYs so far had it.
    pub(super) fn uri(&self, user: &'static str, domain: &'static str) -> Result<SmolStr, Skipped> {
        let (user_part, host) = (self.filled_text(user)?, self.filled_text(domain)?);
        let uri = format_smolstr!("sip:{user_part}@{host}");
        match Uri::parse(uri.as_bytes()) {
            Ok(parsed) if parsed.host == host.as_bytes() => Ok(uri),
            _ => Err(Skipped::because(format!("`{user}` and `{domain}` make no URI"))),
        }
    }

    /// Returns the user whose two parts stand in two columns, with escapes as they were in the request.
    pub(super) fn user(&self, user: &'static str, domain: &'static str) -> Result<UserAtDomain, Skipped> {
        let uri = self.uri(user, domain)?;
        named_by(&uri).ok_or_else(|| Skipped::because(format!("`{user}` and `{domain}` name nobody")))
    }

    /// Returns a URI to send to, out of a column that may hold it alone or as Contact had it.
    pub(super) fn target(&self, column: &'static str) -> Result<SmolStr, Skipped> {
        let text = self.filled_text(column)?;
        let no_uri = || Skipped::of(column, "is no SIP URI");
        let uri = match text.contains('<') {
            true => NameAddr::parse(text.as_bytes()).map_err(|_| no_uri())?.uri,
            false => text.as_bytes(),
        };
        match Uri::parse(uri) {
            Ok(parsed) if parsed.is_sip() => Ok(String::from_utf8_lossy(uri).into()),
            _ => Err(no_uri()),
        }
    }

    /// Returns Record-Route values in the order received, joined by commas.
    pub(super) fn route_set(&self, column: &'static str) -> Result<SmolStr, Skipped> {
        let text = self.text(column)?;
        if text.contains(char::is_control) {
            return Err(Skipped::of(column, "holds what no header may hold"));
        }
        let routes: Vec<_> = List::new(text.as_bytes()).collect();
        let is_route =
            |route: &&[u8]| NameAddr::parse(route).is_ok_and(|route| route.parse_uri().is_ok_and(|uri| uri.is_sip()));
        if !routes.iter().all(is_route) {
            return Err(Skipped::of(column, "is no list of routes"));
        }
        let routes: Vec<_> = routes.into_iter().map(String::from_utf8_lossy).collect::<Vec<Cow<'_, str>>>();
        Ok(routes.join(",").into())
    }

    /// Returns a listener's address, `None` where there is nothing.
    pub(super) fn listener(&self, column: &'static str) -> Result<Option<TransportAddress>, Skipped> {
        let text = self.text(column)?;
        if text.is_empty() {
            return Ok(None);
        }
        match TransportAddress::from_column(&text) {
            Some(address) => Ok(Some(address)),
            None if ["tls:", "ws:", "wss:", "sctp:"].iter().any(|scheme| text.starts_with(scheme)) => {
                Err(Skipped::of(column, "is of a transport that is not served here"))
            }
            None => Err(Skipped::of(column, "is no address of a listener")),
        }
    }
}

/// Returns whom a URI names, if the name is one that every database can hold.
pub(super) fn named_by(uri: &str) -> Option<UserAtDomain> {
    let aor = Uri::parse(uri.as_bytes()).ok()?.aor()?;
    Some(UserAtDomain::new(aor.user, aor.host)).filter(UserAtDomain::is_storable)
}

/// Packages of which the others keep rows, so that a report can name them: a package's name could be anything.
const OTHER_PACKAGES: &[&str] = &[
    "as-feature-event",
    "call-info",
    "conference",
    "dialog",
    "dialog;sla",
    "line-seize",
    "message-summary",
    "reg",
    "ua-profile",
    "xcap-diff",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::import::Value;

    fn row(text: &str) -> ForeignRow {
        ForeignRow::default().with("c", text.into())
    }

    fn check<T: std::fmt::Debug>(result: Result<T, Skipped>, expected: Result<&str, &str>, show: fn(&T) -> String) {
        let shown = result.as_ref().map(show).map_err(Skipped::to_string);
        assert_eq!(shown.as_deref().map_err(String::as_str), expected);
    }

    #[test]
    fn a_target_is_a_sip_uri_with_or_without_what_stands_around_it() {
        let check_target = |text, expected| check(row(text).target("c"), expected, SmolStr::to_string);
        check_target("sip:ann@192.0.2.5:5062;transport=tcp", Ok("sip:ann@192.0.2.5:5062;transport=tcp"));
        check_target("<sip:ann@192.0.2.5;ob>;expires=60", Ok("sip:ann@192.0.2.5;ob"));
        check_target("\"Ann\" <sips:ann@watch.example>", Ok("sips:ann@watch.example"));
        check_target("", Err("`c` is empty"));
        for bad in ["tel:+15550100", "ann", "sip:", "<sip:a@b", "sip:a@b\r\nX: y", "sip:a@b c"] {
            check_target(bad, Err("`c` is no SIP URI"));
        }
    }

    #[test]
    fn routes_keep_their_order_and_what_stands_beside_them() {
        let check_routes = |text, expected| check(row(text).route_set("c"), expected, SmolStr::to_string);
        check_routes("", Ok(""));
        check_routes("<sip:a.example;lr>", Ok("<sip:a.example;lr>"));
        check_routes(
            "<sip:a.example;lr>, \"q,<\" <sip:b.example;lr;x=1>;p=2,<sip:c.example>",
            Ok("<sip:a.example;lr>,\"q,<\" <sip:b.example;lr;x=1>;p=2,<sip:c.example>"),
        );
        check_routes("<sip:a.example;lr>,b", Err("`c` is no list of routes"));
        check_routes("<sip:a.example;lr>\r\nX: y", Err("`c` holds what no header may hold"));
        // As a column of 255 characters cut it.
        check_routes("<sip:a.example;lr>,<sip:b.exam", Err("`c` is no list of routes"));
    }

    #[test]
    fn a_listener_has_a_transport_that_is_served() {
        let show = |address: &Option<TransportAddress>| address.map(|address| address.to_string()).unwrap_or_default();
        let check_listener = |text, expected| check(row(text).listener("c"), expected, show);
        check_listener("udp:192.0.2.9:5060", Ok("udp:192.0.2.9:5060"));
        check_listener("tcp:[2001:db8::1]:5061", Ok("tcp:[2001:db8::1]:5061"));
        check_listener("", Ok(""));
        check_listener("tls:192.0.2.9:5061", Err("`c` is of a transport that is not served here"));
        check_listener("udp:pa.example:5060", Err("`c` is no address of a listener"));
    }

    #[test]
    fn a_user_is_named_as_requests_name_it() {
        let check_user = |user: &str, domain: &str, expected| {
            let row = ForeignRow::default().with("u", user.into()).with("d", domain.into());
            check(row.user("u", "d"), expected, UserAtDomain::to_string);
        };
        check_user("dana", "pres.example", Ok("dana@pres.example"));
        check_user("d%61na", "Pres.Example", Ok("dana@pres.example"));
        check_user("Dana", "[2001:DB8:0::1]", Ok("Dana@[2001:db8::1]"));
        check_user("", "pres.example", Err("`u` is empty"));
        check_user("dana", "", Err("`d` is empty"));
        for (user, domain) in [("a b", "c"), ("a", "b c"), ("a", "b;lr"), ("a", "b?x=y"), ("a", "b>\r\n")] {
            check_user(user, domain, Err("`u` and `d` make no URI"));
        }
        for user in ["%FF", "a%00", "dana%20", &"a".repeat(256)] {
            check_user(user, "pres.example", Err("`u` and `d` name nobody"));
        }
    }

    #[test]
    fn a_package_that_is_not_served_is_named_if_it_is_a_known_one() {
        let check_package = |event: Value, expected| {
            let row = ForeignRow::default().with("event", event);
            check(row.package(), expected, |package| package.name().to_owned());
        };
        check_package("presence".into(), Ok("presence"));
        check_package("presence.winfo".into(), Ok("presence.winfo"));
        check_package("dialog".into(), Err("the event package `dialog` is not served here"));
        check_package("x".into(), Err("an event package that is not served here"));
        check_package(Value::Null, Err("an event package that is not served here"));
    }
}
