//! Rich presence (RFC 4480): carried as it was said, by prefix or by default namespace, with notes and validity.

use tests::pidf::{RPID, document_of};
use tests::server::Server;

use crate::scene::*;

/// Every element of §3, each where the schema has it.
const RICH: &str = "<tuple id=\"s\"><status><basic>open</basic></status>\
    <rpid:class>biz</rpid:class><rpid:deviceID>urn:uuid:1</rpid:deviceID><rpid:privacy><rpid:audio/></rpid:privacy>\
    <rpid:relationship><rpid:self/></rpid:relationship><rpid:service-class><rpid:electronic/></rpid:service-class>\
    <rpid:status-icon>http://d.example/icon</rpid:status-icon>\
    <rpid:user-input idle-threshold=\"600\" last-input=\"2025-01-01T08:00:00Z\">idle</rpid:user-input></tuple>\
    <dm:person id=\"p\"><rpid:activities from=\"2025-01-01T08:00:00Z\" until=\"2035-01-01T08:00:00Z\" id=\"a1\">\
    <rpid:note xml:lang=\"en\">far</rpid:note><rpid:away/><rpid:other>sailing</rpid:other></rpid:activities>\
    <rpid:class>me</rpid:class><rpid:mood><rpid:in_awe/></rpid:mood><rpid:place-is><rpid:audio><rpid:noisy/></rpid:audio>\
    </rpid:place-is><rpid:place-type><lt:office xmlns:lt=\"urn:ietf:params:xml:ns:location-type\"/></rpid:place-type>\
    <rpid:privacy><rpid:text/></rpid:privacy><rpid:sphere><rpid:work/></rpid:sphere>\
    <rpid:status-icon>http://d.example/me</rpid:status-icon>\
    <rpid:time-offset description=\"home\">-300</rpid:time-offset><rpid:user-input>active</rpid:user-input></dm:person>\
    <dm:device id=\"d\"><rpid:class>phone</rpid:class><rpid:user-input>active</rpid:user-input>\
    <dm:deviceID>urn:uuid:1</dm:deviceID></dm:device>";

/// Who may see everything sees every element, attribute and text as published.
#[test]
fn s3_everything_that_is_said_arrives() {
    let server = Server::quickstart();
    let _desk = publishing(&server, &document_of(DANA, RICH));
    let told = fetched(&server, ANN);
    let published = tests::xml::Element::read(document_of(DANA, RICH).as_bytes()).expect("our own document");
    // White space between elements is nobody's.
    let mut seen = told.presence().root.clone();
    seen.text.clear();
    seen.attributes.retain(|(name, _)| !name.starts_with("xmlns"));
    let mut expected = published;
    expected.attributes.retain(|(name, _)| !name.starts_with("xmlns"));
    assert_eq!(seen, expected, "{}", told.message);
}

/// `in_awe` and `in_love` are written with an underscore; a server that knows better than the schema would lose them.
#[test]
fn s3_3_names_are_kept_as_the_schema_has_them() {
    let server = Server::quickstart();
    let person = "<dm:person id=\"p\"><rpid:mood><rpid:in_love/></rpid:mood></dm:person>";
    let _desk = publishing(&server, &document_of(DANA, person));
    let told = fetched(&server, ANN);
    let person = told.presence().occurrence("p").expect("the person");
    assert_eq!(person.child(RPID, "mood").map(|mood| mood.child_names()), Some(vec!["in_love"]));
}
