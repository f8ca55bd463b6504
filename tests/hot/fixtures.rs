//! Messages, rows and rules as they come from phones and their users.

use module_api::abi::Transport;
use presence::change::{Status, SubscriptionKey, SubscriptionRow, TransportAddress};
use presence::presentity_uri::UserAtDomain;

/// A PUBLISH of two kilobytes; each number is another transaction.
pub(super) fn publish(number: u64) -> String {
    let body = document("phone");
    format!(
        "PUBLISH sip:dana@pres.example SIP/2.0\r\n\
         Via: SIP/2.0/UDP 198.51.100.7:5070;rport;branch=z9hG4bK-524287-1---{number:016x}\r\n\
         Max-Forwards: 70\r\nAllow: PUBLISH, SUBSCRIBE, NOTIFY, OPTIONS, MESSAGE\r\n\
         To: \"Dana\" <sip:dana@pres.example>\r\nFrom: \"Dana\" <sip:dana@pres.example>;tag=7e1a9c35\r\n\
         Call-ID: 84c1e6a2f0b94d7f8f5be0c5d2a17b33@198.51.100.7\r\nCSeq: 5 PUBLISH\r\nExpires: 3600\r\n\
         Content-Type: application/pidf+xml\r\nUser-Agent: Softphone 5.19.1 release 90143\r\nEvent: presence\r\n\
         SIP-If-Match: a.1700000000.4711.2.1\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A document of a device, about 1.2 kB.
pub(super) fn document(device: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model"
          xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" entity="sip:dana@pres.example">
  <tuple id="{device}">
    <status><basic>open</basic></status>
    <rpid:class>biz</rpid:class>
    <rpid:service-class><rpid:electronic/></rpid:service-class>
    <dm:deviceID>urn:uuid:5f2c0c34-7a31-4c55-9a51-0d6f2b8f9e01</dm:deviceID>
    <contact priority="0.8">sip:dana@pres.example;gr={device}</contact>
    <note xml:lang="en">at the desk, the door is open</note>
    <timestamp>2025-03-04T08:15:00Z</timestamp>
  </tuple>
  <dm:person id="person-{device}">
    <rpid:activities><rpid:meeting/></rpid:activities>
    <rpid:place-type><rpid:other>the large room</rpid:other></rpid:place-type>
    <dm:note xml:lang="en">back at ten</dm:note>
    <dm:timestamp>2025-03-04T08:15:00Z</dm:timestamp>
  </dm:person>
</presence>
"#
    )
}

/// Friends see activities, colleagues everything about services.
pub(super) const RULES: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<cr:ruleset xmlns="urn:ietf:params:xml:ns:pres-rules" xmlns:pr="urn:ietf:params:xml:ns:pres-rules"
            xmlns:cr="urn:ietf:params:xml:ns:common-policy">
  <cr:rule id="friends">
    <cr:conditions><cr:identity><cr:one id="sip:ben@pres.example"/><cr:one id="sip:eli@pres.example"/></cr:identity></cr:conditions>
    <cr:actions><pr:sub-handling>allow</pr:sub-handling></cr:actions>
    <cr:transformations>
      <pr:provide-persons><pr:all-persons/></pr:provide-persons>
      <pr:provide-activities>true</pr:provide-activities>
    </cr:transformations>
  </cr:rule>
  <cr:rule id="colleagues">
    <cr:conditions><cr:identity><cr:many domain="pres.example"/></cr:identity></cr:conditions>
    <cr:actions><pr:sub-handling>allow</pr:sub-handling></cr:actions>
    <cr:transformations><pr:provide-services><pr:all-services/></pr:provide-services></cr:transformations>
  </cr:rule>
</cr:ruleset>
"#;

/// The same user, written in two ways (RFC 3261 §19.1.4).
pub(super) const SAME_URIS: [&[u8]; 2] =
    [b"sip:%61lice@atlanta.com;transport=TCP;user=phone", b"sip:alice@AtLanTa.CoM;user=phone;Transport=tcp"];

/// A subscription through one proxy.
pub(super) fn subscription() -> SubscriptionRow {
    let listener = TransportAddress { transport: Transport::UDP, address: ([192, 0, 2, 9], 5060).into() };
    SubscriptionRow {
        key: SubscriptionKey([3; 16]),
        presentity: std::sync::Arc::new(UserAtDomain::new("dana", "pres.example")),
        watcher: UserAtDomain::new("ben", "pres.example"),
        event: "presence".into(),
        event_id: "".into(),
        call_id: "3c26700a5f1e-9y1qz0hx2w3d@192.0.2.33".into(),
        local_tag: "10.4c1e6a2f0b94d7f8f5be0c5d2a17b33".into(),
        remote_tag: "4fb2".into(),
        local_cseq: 4800,
        remote_cseq: 1,
        remote_target: "sip:ben@192.0.2.33:50123;transport=tcp;ob".into(),
        route_set: "<sip:203.0.113.9;lr;ftag=4fb2>".into(),
        expires: 1_700_003_600,
        granted_s: 3600,
        status: Status::Active,
        version: 0,
        presentity_uri: "sip:dana@pres.example".into(),
        local_uri: "sip:dana@pres.example".into(),
        remote_uri: "sip:ben@pres.example".into(),
        identity: "sip:ben@pres.example".into(),
        accept: "application/pidf+xml".into(),
        local_contact: "sip:192.0.2.9:5060;gr".into(),
        received: None,
        socket: Some(listener),
        user_agent: "Phone/1.2 (3f2a)".into(),
        watcher_id: "w1".into(),
        display_name: "Ben".into(),
        subscribed_at: 1_700_000_000,
        instance: Default::default(),
    }
}
