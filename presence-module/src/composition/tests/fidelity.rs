//! What is passed on as its publisher wrote it: names, languages, text, and all that nobody here knows.

use insta::assert_snapshot;

use super::{Policy, document};

fn composed(documents: &[&str]) -> String {
    super::composed(Policy::Union, documents)
}

#[test]
fn children_in_another_order_are_put_in_the_schema_s() {
    let shuffled = document(
        r#"
  <dm:person id="p"><dm:timestamp>2025-03-04T08:15:00Z</dm:timestamp><dm:note>n</dm:note><rpid:sphere><rpid:home/></rpid:sphere></dm:person>
  <note>first</note>
  <dm:device id="d"><dm:note>n</dm:note><dm:deviceID>urn:1</dm:deviceID><rpid:user-input>idle</rpid:user-input></dm:device>
  <tuple id="t">
    <timestamp>2025-03-04T08:15:00Z</timestamp>
    <note>a</note> stray text
    <contact>sip:a@x</contact>
    <note>b</note>
    <contact>sip:second@x</contact>
    <rpid:class>biz</rpid:class>
    <status><im:im xmlns:im="urn:ietf:params:xml:ns:pidf:im">busy</im:im><basic>open</basic></status>
  </tuple>"#,
    );
    assert_snapshot!(composed(&[&shuffled]), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" entity="sip:dana@pres.example">
      <tuple id="t"><status><basic>open</basic><im:im xmlns:im="urn:ietf:params:xml:ns:pidf:im">busy</im:im></status><rpid:class>biz</rpid:class><contact>sip:a@x</contact><note>a</note><note>b</note><timestamp>2025-03-04T08:15:00Z</timestamp></tuple>
      <note>first</note>
      <dm:person id="p"><rpid:sphere><rpid:home/></rpid:sphere><dm:note>n</dm:note><dm:timestamp>2025-03-04T08:15:00Z</dm:timestamp></dm:person>
      <dm:device id="d"><rpid:user-input>idle</rpid:user-input><dm:deviceID>urn:1</dm:deviceID><dm:note>n</dm:note></dm:device>
    </presence>
    "#);
}

#[test]
fn prefixes_are_the_publishers_own() {
    let odd = r#"<tuple:presence xmlns:tuple="urn:ietf:params:xml:ns:pidf" xmlns="urn:ietf:params:xml:ns:pidf:data-model" entity="sip:x@y">
<person id="p"><r:mood xmlns:r="urn:ietf:params:xml:ns:pidf:rpid"><r:happy/></r:mood></person>
<tuple:tuple id="t"><tuple:status><tuple:basic>open</tuple:basic><im:im xmlns:im="urn:ietf:params:xml:ns:pidf:im">busy</im:im></tuple:status><deviceID>urn:1</deviceID></tuple:tuple>
<dm:device xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" id="d"><dm:deviceID>urn:1</dm:deviceID></dm:device>
</tuple:presence>"#;
    assert_snapshot!(composed(&[odd]), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:tuple="urn:ietf:params:xml:ns:pidf" entity="sip:dana@pres.example">
      <tuple:tuple xmlns="urn:ietf:params:xml:ns:pidf:data-model" id="t"><tuple:status><tuple:basic>open</tuple:basic><im:im xmlns:im="urn:ietf:params:xml:ns:pidf:im">busy</im:im></tuple:status><deviceID>urn:1</deviceID></tuple:tuple>
      <person xmlns="urn:ietf:params:xml:ns:pidf:data-model" id="p"><r:mood xmlns:r="urn:ietf:params:xml:ns:pidf:rpid"><r:happy/></r:mood></person>
      <dm:device xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns="urn:ietf:params:xml:ns:pidf:data-model" id="d"><dm:deviceID>urn:1</dm:deviceID></dm:device>
    </presence>
    "#);
    // The same prefix for something else, elsewhere.
    let clash = r#"<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:tuple="urn:other&amp;more" xmlns:q="urn:q" entity="sip:x@y"><tuple id="u"><status><tuple:state value='q:away'/></status></tuple></presence>"#;
    assert_snapshot!(composed(&[odd, clash]), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:q="urn:q" xmlns:tuple="urn:ietf:params:xml:ns:pidf" entity="sip:dana@pres.example">
      <tuple:tuple xmlns="urn:ietf:params:xml:ns:pidf:data-model" id="t"><tuple:status><tuple:basic>open</tuple:basic><im:im xmlns:im="urn:ietf:params:xml:ns:pidf:im">busy</im:im></tuple:status><deviceID>urn:1</deviceID></tuple:tuple>
      <tuple xmlns:tuple="urn:other&amp;more" id="u"><status><tuple:state value='q:away'/></status></tuple>
      <person xmlns="urn:ietf:params:xml:ns:pidf:data-model" id="p"><r:mood xmlns:r="urn:ietf:params:xml:ns:pidf:rpid"><r:happy/></r:mood></person>
      <dm:device xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns="urn:ietf:params:xml:ns:pidf:data-model" id="d"><dm:deviceID>urn:1</dm:deviceID></dm:device>
    </presence>
    "#);
}

#[test]
fn what_must_be_understood_stays_so() {
    let status = r#"<p:status><p:basic>open</p:basic><x:mood xmlns:x="urn:x"><x:blue p:mustUnderstand="1"/></x:mood></p:status>"#;
    let first = format!(
        r#"<p:presence xmlns:p="urn:ietf:params:xml:ns:pidf" entity="sip:x@y"><p:tuple id="t">{status}</p:tuple></p:presence>"#
    );
    let other =
        r#"<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:p="urn:p" entity="sip:x@y"><note>n</note></presence>"#;
    assert_snapshot!(composed(&[other, &first]), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:p="urn:p" entity="sip:dana@pres.example">
      <p:tuple xmlns:p="urn:ietf:params:xml:ns:pidf" id="t"><p:status><p:basic>open</p:basic><x:mood xmlns:x="urn:x"><x:blue p:mustUnderstand="1"/></x:mood></p:status></p:tuple>
      <note>n</note>
    </presence>
    "#);
}

#[test]
fn a_prefix_may_mean_something_else_further_inside() {
    let odd = r#"<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:a="urn:1" entity="sip:x@y"><tuple id="t" xmlns:a="urn:2"><status><a:b xmlns:a="urn:3"/><a:c/></status></tuple><a:d><a:e xmlns:a="urn:4"/></a:d></presence>"#;
    assert_snapshot!(composed(&[odd]), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:a="urn:1" entity="sip:dana@pres.example">
      <tuple xmlns:a="urn:2" id="t"><status><a:b xmlns:a="urn:3"/><a:c/></status></tuple>
      <a:d><a:e xmlns:a="urn:4"/></a:d>
    </presence>
    "#);
}

#[test]
fn elements_in_no_namespace_stay_in_none() {
    let bare = r#"<p:presence xmlns:p="urn:ietf:params:xml:ns:pidf" entity="sip:x@y"><p:tuple id="t"><p:status><p:basic>open</p:basic></p:status><plain><inner/></plain></p:tuple><other/></p:presence>"#;
    let undeclared = document(r#"<other xmlns=""/><tuple id="u"><status><x xmlns=""><y/></x></status></tuple>"#);
    assert_snapshot!(composed(&[bare, &undeclared]), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:p="urn:ietf:params:xml:ns:pidf" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" entity="sip:dana@pres.example">
      <p:tuple xmlns="" id="t"><p:status><p:basic>open</p:basic></p:status><plain><inner/></plain></p:tuple>
      <tuple id="u"><status><x xmlns=""><y/></x></status></tuple>
      <other xmlns=""/>
    </presence>
    "#);
}

#[test]
fn extensions_pass_unchanged_and_once() {
    let first = r#"<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:e="urn:e" entity="sip:x@y"><e:thing b="1" a="2"> x &lt; y <e:in/><![CDATA[<&]]></e:thing><e:only/><e:only/></presence>"#;
    let second = r#"<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="sip:x@y"><f:thing xmlns:f="urn:e" a='2' b="&#49;"> x &#60; y <f:in></f:in>&lt;&amp;</f:thing><f:thing xmlns:f="urn:e"/></presence>"#;
    assert_snapshot!(composed(&[first, second]), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:e="urn:e" entity="sip:dana@pres.example">
      <f:thing xmlns:f="urn:e" a='2' b="&#49;"> x &#60; y <f:in></f:in>&lt;&amp;</f:thing>
      <f:thing xmlns:f="urn:e"/>
      <e:only/>
      <e:only/>
    </presence>
    "#);
}

#[test]
fn comments_and_instructions_are_dropped() {
    let noisy = document(
        r#"<!-- a --><note>x]]<!-- b -->&gt;y]]<!-- c -->> ]<?pi?>]> <!-- d --></note><?pi d?><tuple id="t"><!-- e --><status><!-- f --><basic>open</basic><?g?></status></tuple>"#,
    );
    assert_snapshot!(composed(&[&noisy]), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" entity="sip:dana@pres.example">
      <tuple id="t"><status><basic>open</basic></status></tuple>
      <note>x]]&gt;y]]&gt; ]&#93;> </note>
    </presence>
    "#);
}
