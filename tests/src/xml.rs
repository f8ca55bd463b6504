//! A small strict reader of XML documents (XML 1.0, Namespaces in XML 1.0), so that tests judge what the product writes
//! by other means than the product's own.
//!
//! Whole documents only, no DOCTYPE, no entities but the predefined; what is not well-formed is an error.

/// An element with its namespace resolved.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Element {
    /// The namespace name, empty for none.
    pub namespace: String,
    /// The local name.
    pub name: String,
    /// Attributes in order: name as written, value unescaped.
    pub attributes: Vec<(String, String)>,
    /// Child elements in order.
    pub children: Vec<Element>,
    /// The text directly inside.
    pub text: String,
}

impl Element {
    /// Reads a document and returns its root.
    ///
    /// # Errors
    /// What is not well-formed, with the byte it was seen at.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes).map_err(|error| format!("not UTF-8: {error}"))?;
        let mut reader = Reader { text, at: 0 };
        if reader.rest().starts_with("<?xml ") {
            reader.past("?>")?;
        }
        reader.skip_misc()?;
        let root = reader.element(&[("xml".into(), "http://www.w3.org/XML/1998/namespace".into())], 0)?;
        reader.skip_misc()?;
        if !reader.rest().is_empty() {
            return Err(reader.error("something follows the root element"));
        }
        Ok(root)
    }

    /// Returns an attribute's value.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(present, _)| present == name).map(|(_, value)| value.as_str())
    }

    /// Returns whether the element has this expanded name.
    pub fn is(&self, namespace: &str, name: &str) -> bool {
        self.namespace == namespace && self.name == name
    }

    /// Returns the first child of this expanded name.
    pub fn child(&self, namespace: &str, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.is(namespace, name))
    }
}

type Bindings = Vec<(String, String)>;

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn element(&mut self, outer: &[(String, String)], depth: usize) -> Result<Element, String> {
        if depth > 32 {
            return Err(self.error("nested too deep"));
        }
        self.expect("<")?;
        let name = self.name()?;
        let attributes = self.attributes()?;
        let bindings = bindings(outer, &attributes);
        let mut element = Element::default();
        (element.namespace, element.name) = self.resolve(&bindings, name)?;
        for (attribute, _) in attributes.iter().filter(|(name, _)| name.contains(':') && !name.starts_with("xmlns")) {
            self.resolve(&bindings, attribute)?;
        }
        element.attributes = attributes;
        if self.eat("/>") {
            return Ok(element);
        }
        self.expect(">")?;
        self.content(&mut element, &bindings, depth)?;
        let closing = self.name()?;
        if closing != name {
            return Err(self.error(&format!("</{closing}> closes <{name}>")));
        }
        self.skip_space();
        self.expect(">")?;
        Ok(element)
    }

    fn content(&mut self, element: &mut Element, bindings: &Bindings, depth: usize) -> Result<(), String> {
        loop {
            let plain = self.rest().find('<').ok_or_else(|| self.error("the document ends inside an element"))?;
            let text = &self.rest()[..plain];
            if text.contains("]]>") {
                return Err(self.error("]]> in text"));
            }
            element.text.push_str(&self.unescape(text)?);
            self.at += plain;
            if self.eat("</") {
                return Ok(());
            } else if self.eat("<!--") {
                self.past("-->")?;
            } else if self.eat("<![CDATA[") {
                element.text.push_str(self.past("]]>")?);
            } else if self.eat("<?") {
                self.past("?>")?;
            } else {
                element.children.push(self.element(bindings, depth + 1)?);
            }
        }
    }

    fn attributes(&mut self) -> Result<Vec<(String, String)>, String> {
        let mut attributes: Vec<(String, String)> = Vec::new();
        loop {
            let spaced = self.skip_space();
            if self.rest().starts_with('>') || self.rest().starts_with("/>") {
                return Ok(attributes);
            }
            if !spaced {
                return Err(self.error("no space before an attribute"));
            }
            let name = self.name()?;
            self.skip_space();
            self.expect("=")?;
            self.skip_space();
            let quote = if self.eat("\"") { "\"" } else { self.expect("'").map(|()| "'")? };
            let raw = self.past(quote)?;
            if raw.contains('<') {
                return Err(self.error("< in an attribute value"));
            }
            let value = self.unescape(raw)?;
            if attributes.iter().any(|(present, _)| present == name) {
                return Err(self.error(&format!("attribute {name} twice")));
            }
            attributes.push((name.to_owned(), value));
        }
    }

    fn resolve(&self, bindings: &Bindings, name: &str) -> Result<(String, String), String> {
        let (prefix, local) = name.split_once(':').unwrap_or(("", name));
        let bound = bindings.iter().rev().find(|(known, _)| known == prefix).map(|(_, namespace)| namespace.clone());
        match bound {
            Some(namespace) => Ok((namespace, local.to_owned())),
            None if prefix.is_empty() => Ok((String::new(), local.to_owned())),
            None => Err(self.error(&format!("prefix {prefix} is not bound"))),
        }
    }

    fn unescape(&self, raw: &str) -> Result<String, String> {
        let mut out = String::new();
        let mut rest = raw;
        while let Some((before, after)) = rest.split_once('&') {
            out.push_str(before);
            let (entity, after) = after.split_once(';').ok_or_else(|| self.error("a bare &"))?;
            out.push(match entity {
                "lt" => '<',
                "gt" => '>',
                "amp" => '&',
                "quot" => '"',
                "apos" => '\'',
                _ => numeric(entity).ok_or_else(|| self.error(&format!("entity &{entity};")))?,
            });
            rest = after;
        }
        out.push_str(rest);
        if out.contains(|letter: char| letter < ' ' && !"\t\r\n".contains(letter)) {
            return Err(self.error("a control character"));
        }
        Ok(out)
    }

    fn name(&mut self) -> Result<&'a str, String> {
        let rest = self.rest();
        let end = rest.find(|letter: char| !is_name_letter(letter)).unwrap_or(rest.len());
        let name = &rest[..end];
        if name.starts_with(|letter: char| letter.is_ascii_digit() || "-.:".contains(letter)) || name.is_empty() {
            return Err(self.error("a name is expected"));
        }
        self.at += end;
        Ok(name)
    }

    fn skip_misc(&mut self) -> Result<(), String> {
        loop {
            self.skip_space();
            if self.eat("<!--") {
                self.past("-->")?;
            } else if self.eat("<?") {
                self.past("?>")?;
            } else {
                return Ok(());
            }
        }
    }

    fn skip_space(&mut self) -> bool {
        let rest = self.rest();
        let space = rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
        self.at += space;
        space > 0
    }

    fn past(&mut self, end: &str) -> Result<&'a str, String> {
        let rest = self.rest();
        let (inside, _) = rest.split_once(end).ok_or_else(|| self.error(&format!("no {end}")))?;
        self.at += inside.len() + end.len();
        Ok(inside)
    }

    fn eat(&mut self, wanted: &str) -> bool {
        let found = self.rest().starts_with(wanted);
        if found {
            self.at += wanted.len();
        }
        found
    }

    fn expect(&mut self, wanted: &str) -> Result<(), String> {
        if self.eat(wanted) { Ok(()) } else { Err(self.error(&format!("{wanted} is expected"))) }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn error(&self, what: &str) -> String {
        format!("{what}, at byte {}", self.at)
    }
}

fn bindings(outer: &[(String, String)], attributes: &[(String, String)]) -> Bindings {
    let mut all = outer.to_vec();
    for (name, value) in attributes {
        if name == "xmlns" {
            all.push((String::new(), value.clone()));
        } else if let Some(prefix) = name.strip_prefix("xmlns:") {
            all.push((prefix.to_owned(), value.clone()));
        }
    }
    all
}

fn numeric(entity: &str) -> Option<char> {
    let digits = entity.strip_prefix('#')?;
    let code = match digits.strip_prefix('x') {
        Some(hex) => u32::from_str_radix(hex, 16),
        None => digits.parse(),
    };
    code.ok().and_then(char::from_u32)
}

fn is_name_letter(letter: char) -> bool {
    letter.is_alphanumeric() || "_-.:".contains(letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_refused(text: &str, why: &str) {
        let error = Element::read(text.as_bytes()).expect_err(text);
        assert!(error.contains(why), "{text}: {error}");
    }

    #[test]
    fn namespaces_attributes_and_text_are_read() {
        let text =
            "<?xml version='1.0'?><!-- c --><a xmlns=\"u\" xmlns:p='v' k='1 &amp; &#x41;'><p:b/>t<![CDATA[<]]></a>\n";
        let root = Element::read(text.as_bytes()).unwrap();
        assert!(root.is("u", "a") && root.child("v", "b").is_some());
        assert_eq!((root.attribute("k"), root.text.as_str()), (Some("1 & A"), "t<"));
    }

    #[test]
    fn what_is_not_well_formed_is_refused() {
        check_refused("<a><b></a></b>", "closes");
        check_refused("<a/><a/>", "follows the root");
        check_refused("<a", "attribute");
        check_refused("<a>", "ends inside");
        check_refused("<a x='1' x='2'/>", "twice");
        check_refused("<a x=1/>", "is expected");
        check_refused("<p:a/>", "not bound");
        check_refused("<a>&nbsp;</a>", "entity");
        check_refused("<a>&</a>", "bare &");
        check_refused("<!DOCTYPE a><a/>", "name is expected");
    }
}
