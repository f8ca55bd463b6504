//! What is read and what is refused, and that a copy means what the original meant.

use proptest::prelude::*;

use super::*;

const SMALL: Limits = Limits {
    bytes_max: 200,
    depth_max: 3,
    elements_max: 5,
    attributes_max: 3,
    namespaces_max: 2,
    namespace_bytes_max: 9,
};

fn check(document: impl AsRef<[u8]>, expected: Result<(), &str>) {
    let document = document.as_ref();
    let outcome = Xml::read(document, &SMALL).map(|_| ()).map_err(|refusal| refusal.to_string());
    assert_eq!(outcome, expected.map_err(str::to_owned), "{}", String::from_utf8_lossy(document));
}

/// Returns why `document` is refused, in the characters a reason phrase allows (RFC 3261 §25.1).
fn refusal(document: &str) -> Malformed {
    let refusal = Xml::read(document.as_bytes(), &SMALL).expect_err(document);
    let phrase = refusal.to_string();
    assert!(phrase.bytes().all(|byte| byte.is_ascii_alphanumeric() || b" :-".contains(&byte)), "{phrase}");
    refusal
}

#[test]
fn documents_within_every_limit_are_read() {
    check("<a/>", Ok(()));
    check("\u{feff}<?xml version='1.0' encoding='utf-8'?>\n<a><b><c/></b><b/><b/></a>\n<!-- end -->", Ok(()));
    check("<?xml version=\"1.0\" encoding = \"US-ASCII\" standalone=\"yes\" ?><a/>", Ok(()));
    check("<a xmlns='u' x = \"'>'\" y='\">\"'/>", Ok(()));
    check("<a xmlns='u' xmlns:p='v'/>", Ok(()));
    check("<a><b xmlns='u' xmlns:p='v'/><b xmlns='u' xmlns:p='v'/></a>", Ok(()));
    check("<a>&lt;&#x10FFFF;&#9;<![CDATA[&#xD800; <b> &c; </a>]]><!-- &#0; <b> --></a>", Ok(()));
    check(format!("<a>{}</a>", "x".repeat(193)), Ok(()));
}

#[test]
fn what_is_past_a_limit_is_refused_where_it_is() {
    check(format!("<a>{}</a>", "x".repeat(194)), Err("document longer than 200 bytes at line 1 column 1"));
    check("<a>\n<b><c><d/></c></b></a>", Err("elements nested deeper than 3 at line 2 column 7"));
    check("<a><b/><b/>\n <b/>é<b/><b/></a>", Err("more than 5 elements at line 2 column 11"));
    check("<a><b x='' y='' z='' u=''/></a>", Err("more than 3 attributes on one element at line 1 column 4"));
    check("<a xmlns:p='u' xmlns:q='u'><b xmlns='u'/></a>", Err("more than 2 namespaces in scope at line 1 column 28"));
}

#[test]
fn what_a_copy_might_have_to_repeat_is_short() {
    check("<a xmlns='urn:56789' xmlns:p='urn:56789' x='urn:567890'/>", Ok(()));
    check("<a xmlns:p='urn:567890'/>", Err("namespace longer than 9 bytes at line 1 column 4"));
    check("<a>\n<b xmlns='urn:567890'/></a>", Err("namespace longer than 9 bytes at line 2 column 4"));
}

#[test]
fn no_document_type_no_entity_no_other_encoding() {
    check("<!DOCTYPE a><a/>", Err("document type declaration not accepted at line 1 column 1"));
    check(
        "<?xml version='1.0'?>\n<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
        Err("document type declaration not accepted at line 2 column 1"),
    );
    check("<a>&b;</a>", Err("XML not well-formed: reference not known at line 1 column 4"));
    check("<?xml version='1.0' encoding='ISO-8859-1'?><a/>", Err("encoding other than UTF-8 at line 1 column 21"));
    check(b"<a>\n \xff</a>", Err("bytes that are not UTF-8 at line 2 column 2"));
    check(b"\xff\xfe<\0a\0/\0>\0", Err("bytes that are not UTF-8 at line 1 column 1"));
}

#[test]
fn what_is_not_well_formed_is_refused() {
    let refused = |document: &str, sentence| {
        assert_eq!(refusal(document).fault, Fault::NotWellFormed(sentence), "{document}");
    };
    refused("", "no root element");
    refused("x", "unexpected character");
    refused("<a>", "document ends inside an element");
    refused("<a", "tag not closed");
    refused("<a></b>", "element closed by the end tag of another");
    refused("<a/></a>", "end tag without a start tag");
    refused("<a/><b/>", "unexpected character");
    refused("<a/>x", "unexpected character");
    refused("<a b/>", "attribute without a value");
    refused("<a b=c/>", "attribute value without quotes");
    refused("<a b='c/>", "attribute value not closed");
    refused("<a b='<'/>", "less-than sign in an attribute value");
    refused("<a b='' b=''/>", "attribute given twice");
    refused("<a / b=''>", "slash inside a tag");
    refused("<a>]]></a>", "end mark of a CDATA section in text");
    refused("<a><!-- -- --></a>", "two hyphens in a comment");
    refused("<a><!-- </a>", "comment not closed");
    refused("<a><![CDATA[ </a>", "CDATA section not closed");
    refused("<a><?b </a>", "processing instruction not closed");
    refused("<?xml version='1.0'", "XML declaration not closed");
    refused("<!-- --><?xml version='1.0'?><a/>", "XML declaration not at the start");
    refused("<a>\u{1}</a>", "character not allowed");
    refused("<a>&</a>", "reference not known");
}

#[test]
fn what_the_parser_would_let_through_is_refused() {
    let refused = |document: &str| {
        let refusal = refusal(document);
        assert!(matches!(refusal.fault, Fault::NotWellFormed(_)), "{document}: {refusal}");
    };
    refused("<a>&#xD800;</a>");
    refused("<a b='&#1114112;'/>");
    refused("<a>&#99999999999999999999;</a>");
    refused("<a xmlns='u' xmlns='v'/>");
    refused("<a xmlns:p=''/>");
    refused("<a p:xmlns='u'/>");
    refused("<a xmlns:xmlns='u'/>");
    refused("<:a/>");
    refused("<a :b=''/>");
}

/// Copies the element `name` of `source` to where the default namespace is `urn:d` and the prefix `p` means `urn:p`.
fn check_copy(source: &str, name: &str, expected: &str) {
    let around = Xml::read(b"<r xmlns:p='urn:p'/>", &Limits::default()).unwrap();
    let mut scope = Namespaces::new("urn:d");
    scope.adopt(around.root());
    let source = Xml::read(source.as_bytes(), &Limits::default()).unwrap();
    let original = source.root().descendants().find(|node| node.tag_name().name() == name).unwrap();
    let (mut copy, mut document) = (Vec::new(), b"<r".to_vec());
    write_element(original, None, &scope, &mut copy);
    assert_eq!(String::from_utf8_lossy(&copy), expected);

    scope.write(&mut document);
    document.push(b'>');
    document.extend_from_slice(&copy);
    document.extend_from_slice(b"</r>");
    let document = Xml::read(&document, &Limits::default()).unwrap();
    let copy = elements(document.root()).next().unwrap();
    assert!(canonical_form(copy).starts_with(&canonical_form(original)) || language(original).is_some());
}

#[test]
fn a_copy_declares_what_its_surroundings_do_not() {
    check_copy("<x:a xmlns:x='urn:x'><x:b/></x:a>", "b", "<x:b xmlns:x=\"urn:x\"/>");
    check_copy("<a xmlns='urn:d' xmlns:x='urn:x' xmlns:y='urn:y' z='yz:x'>x</a>", "a", "<a z='yz:x'>x</a>");
    check_copy("<p:a xmlns:p='urn:p'/>", "a", "<p:a/>");
    check_copy("<p:a xmlns:p='urn:q'/>", "a", "<p:a xmlns:p=\"urn:q\"/>");
    check_copy("<a xmlns='urn:d'><b>t</b></a>", "a", "<a><b>t</b></a>");
    check_copy("<a xmlns='urn:e'><b/></a>", "a", "<a xmlns=\"urn:e\"><b/></a>");
    check_copy("<a><b/></a>", "a", "<a xmlns=\"\"><b/></a>");
    check_copy("<p:a xmlns:p='urn:p'><b/></p:a>", "a", "<p:a xmlns=\"\"><b/></p:a>");
    check_copy(
        "<a xmlns='urn:d' xmlns:x='urn:&quot;&lt;&#10;'>x:y</a>",
        "a",
        "<a xmlns:x=\"urn:&quot;&lt;&#10;\">x:y</a>",
    );
}

#[test]
fn a_copy_keeps_the_inside_to_the_byte() {
    let inside = "\r\n <b c='&#49;'\t/>&amp;<![CDATA[<!-- x -->]]> <b></b >";
    check_copy(&format!("<a xmlns='urn:d'  y = '1' >{inside}</a >"), "a", &format!("<a y = '1'>{inside}</a>"));
    check_copy("<a xmlns='urn:d'></a>", "a", "<a/>");
    check_copy("<a xmlns='urn:d'><!-- x --></a>", "a", "<a></a>");
}

#[test]
fn a_copy_keeps_its_language() {
    check_copy("<r xml:lang='de'><a xmlns='urn:d'/></r>", "a", "<a xml:lang=\"de\"/>");
    check_copy("<r xml:lang='de'><a xmlns='urn:d' xml:lang='en'/></r>", "a", "<a xml:lang='en'/>");
}

/// Copies the tags of `source`'s root where the default namespace is `urn:d`, and `other`'s first element between them.
fn check_around(source: &str, other: &str, expected: &str) {
    let scope = Namespaces::new("urn:d");
    let [source, other] = [source, other].map(|document| Xml::read(document.as_bytes(), &Limits::default()).unwrap());
    let inner = elements(other.root()).next().unwrap();
    let mut copy = Vec::new();
    write_around(source.root(), Some("i"), &scope, &mut copy, |scope, out| write_element(inner, None, scope, out));
    assert_eq!(String::from_utf8_lossy(&copy), expected);
    let document = [b"<r xmlns='urn:d'>", &*copy, b"</r>"].concat();
    let document = Xml::read(&document, &Limits::default()).unwrap();
    let copy = elements(elements(document.root()).next().unwrap()).next().unwrap();
    assert_eq!(super::language(copy).unwrap_or_default(), super::language(inner).unwrap_or_default());
    assert!(canonical_form(copy).starts_with(&canonical_form(inner)) || copy.attributes().len() > 0);
}

#[test]
fn what_is_put_inside_a_copy_means_there_what_it_meant() {
    check_around("<a xmlns='urn:d' id='x'/>", "<r xmlns='urn:d'><b/></r>", r#"<a id="i"><b/></a>"#);
    check_around("<a xmlns='urn:e'/>", "<r xmlns='urn:e'><b/></r>", r#"<a xmlns="urn:e" id="i"><b/></a>"#);
    check_around(
        "<a xmlns='urn:e'/>",
        "<r xmlns='urn:d'><b/></r>",
        r#"<a xmlns="urn:e" id="i"><b xmlns="urn:d"/></a>"#,
    );
    check_around("<a xmlns='urn:e'/>", "<r><b/></r>", r#"<a xmlns="urn:e" id="i"><b xmlns=""/></a>"#);
    check_around("<a/>", "<r xmlns='urn:d'><b/></r>", r#"<a xmlns="" id="i"><b xmlns="urn:d"/></a>"#);
    check_around(
        "<p:a xmlns:p='urn:p'/>",
        "<r xmlns='urn:d' xmlns:p='urn:q'><p:b/></r>",
        r#"<p:a xmlns:p="urn:p" id="i"><p:b xmlns:p="urn:q"/></p:a>"#,
    );
    check_around(
        "<p:a xmlns:p='urn:p'/>",
        "<r xmlns='urn:d' xmlns:p='urn:p'><p:b/></r>",
        r#"<p:a xmlns:p="urn:p" id="i"><p:b/></p:a>"#,
    );
}

#[test]
fn what_is_put_inside_a_copy_keeps_its_language() {
    let plain = "<a xmlns='urn:d'/>";
    let german = "<a xmlns='urn:d' xml:lang='de'/>";
    check_around(german, "<r xmlns='urn:d' xml:lang='de'><b/></r>", r#"<a xml:lang='de' id="i"><b/></a>"#);
    check_around(german, "<r xmlns='urn:d'><b/></r>", r#"<a xml:lang='de' id="i"><b xml:lang=""/></a>"#);
    check_around(plain, "<r xmlns='urn:d' xml:lang='de'><b/></r>", r#"<a id="i"><b xml:lang="de"/></a>"#);
    check_around(
        german,
        "<r xmlns='urn:d'><b xml:lang='en'/></r>",
        r#"<a xml:lang='de' id="i"><b xml:lang='en'/></a>"#,
    );
    check_around(plain, "<r xmlns='urn:d' xml:lang=''><b/></r>", r#"<a id="i"><b/></a>"#);
}

#[test]
fn the_canonical_form_is_one_for_every_spelling() {
    let form = |document: &str| canonical_form(Xml::read(document.as_bytes(), &Limits::default()).unwrap().root());
    let base = form("<a xmlns='u' x='1' y='&lt;'><b/>t&amp;</a>");
    assert_eq!(form("<p:a xmlns:p='u' y=\"&#60;\" x='1' ><p:b></p:b><!-- c -->t<![CDATA[&]]></p:a>"), base);
    for other in [
        "<a x='1' y='&lt;'><b/>t&amp;</a>",
        "<a xmlns='u' x='1' y='&lt;'><b>t&amp;</b></a>",
        "<a xmlns='u' x='1'><b/>t&amp;</a>",
        "<a xmlns='u' x='1' y='&lt;'><b/> t&amp;</a>",
    ] {
        assert_ne!(form(other), base, "{other}");
    }
}

/// Text that is almost XML: tags, attributes and everything that could part a pass from the parser.
fn almost_xml() -> impl Strategy<Value = String> {
    let token = prop::sample::select(vec![
        "<a>",
        "<a>",
        "<b x='1'>",
        "<p:a xmlns:p='u'>",
        "<a xmlns=\"\">",
        "</a>",
        "</a>",
        "</b>",
        "</p:a>",
        "<a/>",
        "<b y='>'/>",
        "<",
        ">",
        "/",
        "'",
        "\"",
        "=",
        "<!--",
        "-->",
        "<![CDATA[",
        "]]>",
        "<?x",
        "?>",
        "&amp;",
        "&#x",
        ";",
        "x",
        "é",
        " ",
        "\r\n",
        "<?xml ",
        "version='1.0'",
        "xmlns",
        ":",
        "<!DOCTYPE",
        "\0",
    ]);
    prop::collection::vec(token, 0..24).prop_map(|tokens| tokens.concat())
}

fn assert_within(document: &str, limits: &Limits) {
    let Ok(xml) = Xml::read(document.as_bytes(), limits) else { return };
    let elements: Vec<_> = xml.root().descendants().filter(Node::is_element).collect();
    assert!(elements.len() <= limits.elements_max, "{document}");
    for element in elements {
        assert!(element.ancestors().count() - 1 <= limits.depth_max, "{document}");
        assert!(element.attributes().len() <= limits.attributes_max, "{document}");
        assert!(element.namespaces().len() <= limits.namespaces_max, "{document}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_bytes_are_too_strange_to_read(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Xml::read(&bytes, &Limits::default()).map_err(|refusal| refusal.to_string());
    }

    #[test]
    fn what_is_read_is_within_the_limits(document in almost_xml()) {
        assert_within(&document, &SMALL);
        assert_within(&format!("<a>{document}</a>"), &SMALL);
        let _ = Xml::read_accepted(format!("<a>{document}</a>").as_bytes()).map_err(|refusal| refusal.to_string());
    }
}
