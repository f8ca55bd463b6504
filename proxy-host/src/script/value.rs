//! Values, variables and AVP names: what a script, its functions and the server exchange.
//!
//! Owns their shapes and how a word in the file becomes one. What a variable is worth is the server's to say.

use std::fmt;

/// The value of a `modparam` line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Value {
    /// `100`
    Integer(i64),
    /// `"presentity"`
    Text(String),
}

impl fmt::Display for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(number) => write!(formatter, "{number}"),
            Self::Text(text) => write!(formatter, "\"{text}\""),
        }
    }
}

/// The name of an AVP; names that are text are interned by the program, see [`super::Program::avp_name`].
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum AvpName {
    /// `$avp(i:987)`
    Integer(i32),
    /// `$avp(s:name)`: an index into [`super::Program::avp_names`].
    Text(u32),
}

/// What an AVP holds, borrowed from whoever holds it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AvpValue<'a> {
    /// A number.
    Integer(i64),
    /// A text; peers' bytes need not be UTF-8.
    Text(&'a [u8]),
}

/// An argument of a function call, checked against its declaration.
#[derive(Clone, Copy, Debug)]
pub enum Argument<'a> {
    /// For `ParameterKind::Integer`, inside its range.
    Integer(i64),
    /// For `ParameterKind::MethodList`.
    Methods(&'a MethodList),
    /// For every other kind; in a `Format`, variables have been replaced by their values.
    Text(&'a [u8]),
}

/// The methods of `is_method("INVITE|ACK")`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MethodList(Box<[Box<[u8]>]>);

impl MethodList {
    /// Reads `A|B`; `None` where a method is missing or is no token (RFC 3261 §25.1).
    pub fn parse(text: &str) -> Option<Self> {
        let methods = text.split('|').map(|method| method.trim().as_bytes());
        let methods = methods.map(|method| is_token(method).then(|| method.into()));
        methods.collect::<Option<_>>().map(Self)
    }

    /// Tells whether `method` is one of them; methods are case-sensitive (RFC 3261 §7.1).
    pub fn contains(&self, method: &[u8]) -> bool {
        self.0.iter().any(|known| &**known == method)
    }

    /// Iterates over the methods.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(|method| &**method)
    }
}

/// The methods in the IANA registry.
pub(super) const METHODS: [&str; 14] = [
    "ACK",
    "BYE",
    "CANCEL",
    "INFO",
    "INVITE",
    "MESSAGE",
    "NOTIFY",
    "OPTIONS",
    "PRACK",
    "PUBLISH",
    "REFER",
    "REGISTER",
    "SUBSCRIBE",
    "UPDATE",
];

/// A pseudo-variable: something of the request, or of where it came from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Variable {
    /// `$ci`: the Call-ID.
    CallId,
    /// `$cs`: the number of the CSeq.
    CSeqNumber,
    /// `$Ri`, `dst_ip`: the local address the request came in on.
    DestinationAddress,
    /// `$Rp`, `dst_port`: the local port the request came in on.
    DestinationPort,
    /// `$fd`: the host of the From URI.
    FromDomain,
    /// `$ft`: the From tag.
    FromTag,
    /// `$fu`, `from_uri`: the From URI.
    FromUri,
    /// `$fU`: the user of the From URI.
    FromUser,
    /// `$hdr(Name)`: the value of the first header of that name.
    Header(Box<str>),
    /// `$ml`: the length of the message in bytes.
    MessageLength,
    /// `$rm`, `method`: the method.
    Method,
    /// `$pr`, `proto`: the transport, in lower case.
    Protocol,
    /// `$rd`: the host of the Request-URI.
    RequestDomain,
    /// `$ru`, `uri`: the Request-URI, as rewritten.
    RequestUri,
    /// `$rU`: the user of the Request-URI.
    RequestUser,
    /// `$si`, `src_ip`: the address the request came from.
    SourceAddress,
    /// `$sp`, `src_port`: the port the request came from.
    SourcePort,
    /// `$td`: the host of the To URI.
    ToDomain,
    /// `$tt`: the To tag.
    ToTag,
    /// `$tu`, `to_uri`: the To URI.
    ToUri,
    /// `$tU`: the user of the To URI.
    ToUser,
}

impl Variable {
    /// Returns the variable written `$name`.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        let found = VARIABLES.iter().find(|(written, _)| *written == name)?;
        Some(found.1.clone())
    }

    /// Returns the variable an old keyword stands for.
    pub(super) fn from_keyword(keyword: &str) -> Option<Self> {
        let found = KEYWORDS.iter().find(|(written, _)| *written == keyword)?;
        Some(found.1.clone())
    }
}

/// Every `$name` without an argument.
pub(super) const VARIABLES: &[(&str, Variable)] = &[
    ("Ri", Variable::DestinationAddress),
    ("Rp", Variable::DestinationPort),
    ("ci", Variable::CallId),
    ("cs", Variable::CSeqNumber),
    ("fU", Variable::FromUser),
    ("fd", Variable::FromDomain),
    ("ft", Variable::FromTag),
    ("fu", Variable::FromUri),
    ("ml", Variable::MessageLength),
    ("pr", Variable::Protocol),
    ("rU", Variable::RequestUser),
    ("rd", Variable::RequestDomain),
    ("rm", Variable::Method),
    ("ru", Variable::RequestUri),
    ("si", Variable::SourceAddress),
    ("sp", Variable::SourcePort),
    ("tU", Variable::ToUser),
    ("td", Variable::ToDomain),
    ("tt", Variable::ToTag),
    ("tu", Variable::ToUri),
];

/// The keywords that conditions used before there were variables.
pub(super) const KEYWORDS: &[(&str, Variable)] = &[
    ("dst_ip", Variable::DestinationAddress),
    ("dst_port", Variable::DestinationPort),
    ("from_uri", Variable::FromUri),
    ("method", Variable::Method),
    ("proto", Variable::Protocol),
    ("src_ip", Variable::SourceAddress),
    ("src_port", Variable::SourcePort),
    ("to_uri", Variable::ToUri),
    ("uri", Variable::RequestUri),
];

/// Reads a number as the file writes it: decimal or `0x` hexadecimal. `None` where it is none or does not fit.
///
/// A leading zero is refused: OpenSER read `010` as eight, an operator reads it as ten.
pub(crate) fn parse_integer(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let magnitude = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hexadecimal) if hexadecimal.starts_with(|c: char| c.is_ascii_hexdigit()) => {
            i64::from_str_radix(hexadecimal, 16)
        }
        _ if digits.len() > 1 && digits.starts_with('0') => return None,
        _ if digits.starts_with(|c: char| c.is_ascii_digit()) => digits.parse(),
        _ => return None,
    };
    magnitude.ok().map(|magnitude| if negative { -magnitude } else { magnitude })
}

/// RFC 3261 §25.1 `token`.
fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(byte))
}

#[cfg(test)]
mod tests {
    use super::{MethodList, parse_integer};

    #[test]
    fn numbers_are_decimal_or_hexadecimal_and_never_octal() {
        for (text, expected) in [
            ("0", Some(0)),
            ("5060", Some(5060)),
            ("-1", Some(-1)),
            ("0x1F", Some(31)),
            ("010", None),
            ("0x", None),
            ("0x-1", None),
            ("--1", None),
            ("", None),
            ("1a", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(parse_integer(text), expected, "{text}");
        }
    }

    #[test]
    fn a_method_list_knows_its_methods_exactly() {
        let list = MethodList::parse("INVITE | ACK").expect("two tokens");
        assert!(list.contains(b"ACK") && list.contains(b"INVITE"));
        assert!(!list.contains(b"ack") && !list.contains(b"") && !list.contains(b"BYE"));
        assert_eq!(MethodList::parse("INVITE||ACK"), None);
        assert_eq!(MethodList::parse("IN VITE"), None);
    }
}
