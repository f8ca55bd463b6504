//! URIs, names around them, lists, parameters, Via: each is made of its parts, and which URIs are the same is an opinion that
//! both of them share.

use module_api::sip::list::List;
use module_api::sip::name_addr::NameAddr;
use module_api::sip::params::Params;
use module_api::sip::quoted::unquote;
use module_api::sip::uri::Uri;
use module_api::sip::via::Via;

/// Every line is a value.
pub(super) fn target(data: &[u8]) {
    let lines: Vec<_> = data.split(|&byte| byte == b'\n').take(8).collect();
    let uris: Vec<_> = lines.iter().filter_map(|line| Uri::parse(line).ok()).collect();
    for one in &uris {
        check_uri(one);
        for other in &uris {
            check_pair(one, other);
        }
    }
    for line in lines {
        check_list(line);
        check_params(Params::new(line));
        check_name_addr(line);
        check_via(line);
        let _ = unquote(line);
    }
}

fn check_uri(uri: &Uri<'_>) {
    assert!(uri.same_as(uri), "{}", uri.raw.escape_ascii());
    assert_eq!(Uri::parse(uri.raw), Ok(*uri));
    let Some(aor) = uri.aor() else { return };
    let written = aor.to_uri();
    let read = Uri::parse(written.as_bytes()).unwrap_or_else(|error| panic!("{written}: {error:?}"));
    assert_eq!(read.aor(), Some(aor), "{}", uri.raw.escape_ascii());
}

fn check_pair(one: &Uri<'_>, other: &Uri<'_>) {
    let is_same = one.same_as(other);
    assert_eq!(is_same, other.same_as(one), "{} | {}", one.raw.escape_ascii(), other.raw.escape_ascii());
    if is_same {
        assert_eq!(one.aor(), other.aor());
    }
}

fn check_list(value: &[u8]) {
    let elements: Vec<_> = List::new(value).collect();
    let joined = elements.join(b", ".as_slice());
    assert_eq!(List::new(&joined).collect::<Vec<_>>(), elements, "{}", value.escape_ascii());
}

fn check_params(params: Params<'_>) {
    let mut written = Vec::new();
    for param in params {
        let value = param.value.map(|value| [b"=", value].concat()).unwrap_or_default();
        written.extend([b";", param.name, &value].concat());
        assert!(params.has(param.name));
        let _ = param.unquoted();
    }
    assert!(Params::new(&written).iter().eq(params), "{}", params.text().escape_ascii());
}

fn check_name_addr(value: &[u8]) {
    let Ok(address) = NameAddr::parse(value) else { return };
    let written = [address.display_name, b" <", address.uri, b">", address.params.text()].concat();
    // Without brackets a URI may hold what ends one inside of them.
    if !address.uri.contains(&b'>') {
        assert_eq!(NameAddr::parse(&written), Ok(address), "{}", value.escape_ascii());
    }
    let _ = (address.display_text(), address.tag(), address.parse_uri());
}

fn check_via(value: &[u8]) {
    let Ok(via) = Via::parse_first(value) else { return };
    let port = via.port.map(|port| format!(":{port}")).unwrap_or_default();
    let written = [b"SIP/2.0/", via.transport, b" ", via.host, port.as_bytes(), via.params.text()].concat();
    let read = Via::parse_first(&written).expect("a Via of its own parts is one");
    assert_eq!((via.transport, via.host, via.port, via.params), (read.transport, read.host, read.port, read.params));
    assert!(via.span.within(value.len()));
    let _ = (via.branch(), via.received(), via.rport(), via.maddr(), via.ttl(), via.has_magic_cookie());
}
