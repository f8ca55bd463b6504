//! What can be wrong with a message: so wrong that nobody can answer, or wrong and answered (RFC 3261 §8.2, §16.3,
//! §18.3).

use super::header::HeaderId;

/// Why bytes are no message that anybody could answer. They are dropped.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ScanError {
    /// Nothing but line ends: a keep-alive (RFC 5626 §3.5.1).
    KeepAlive,
    /// The first line is neither a request line nor a status line.
    NotSip,
}

/// What is wrong with a message that was delimited well enough to be answered.
///
/// A request is answered with `code` and `reason`; a response with a defect is dropped (RFC 3261 §18.3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Defect {
    /// Content-Length is not a number.
    BadContentLength,
    /// CSeq is not a number and a method.
    BadCSeq,
    /// A line ends with a lone CR or LF. Elements that differ on where such a line ends can be played against each
    /// other.
    BareLineEnd,
    /// The method in CSeq is not the method of the request.
    CSeqMethodMismatch,
    /// The number in CSeq exceeds 2^31-1.
    CSeqTooLarge,
    /// A header that a message carries once came twice.
    DuplicateHeader(HeaderId),
    /// A line is not a name, a colon and a value.
    MalformedHeader,
    /// The request line or status line is not three parts with single spaces between.
    MalformedStartLine,
    /// There are more bytes than a message may have.
    MessageTooLong,
    /// One of Via, From, To, Call-ID, CSeq is not there.
    MissingHeader(HeaderId),
    /// There are more headers than a message may have.
    TooManyHeaders,
    /// The body is shorter than Content-Length.
    TruncatedBody,
    /// No empty line ends the headers.
    UnendedHeaders,
    /// The version is not SIP/2.0.
    UnknownVersion,
    /// A header value is longer than one may be.
    ValueTooLong,
}

impl Defect {
    /// Returns the status code that answers it.
    pub const fn code(self) -> u16 {
        match self {
            Self::UnknownVersion => 505,
            Self::MessageTooLong | Self::TooManyHeaders | Self::ValueTooLong => 513,
            _ => 400,
        }
    }

    /// Returns the reason phrase that tells the peer what to mend.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::BadContentLength => "Bad Content-Length header",
            Self::BadCSeq => "Bad CSeq header",
            Self::BareLineEnd => "Line ends without CRLF",
            Self::CSeqMethodMismatch => "CSeq method differs from request method",
            Self::CSeqTooLarge => "CSeq number too large",
            Self::DuplicateHeader(id) => duplicate_reason(id),
            Self::MalformedHeader => "Malformed header line",
            Self::MalformedStartLine => "Malformed request line",
            Self::MessageTooLong => "Message longer than 65536 bytes",
            Self::MissingHeader(id) => missing_reason(id),
            Self::TooManyHeaders => "More than 128 headers",
            Self::TruncatedBody => "Body shorter than Content-Length",
            Self::UnendedHeaders => "No empty line after headers",
            Self::UnknownVersion => "SIP Version Not Supported",
            Self::ValueTooLong => "Header value longer than 8192 bytes",
        }
    }
}

const fn missing_reason(id: HeaderId) -> &'static str {
    match id {
        HeaderId::CALL_ID => "Missing Call-ID header",
        HeaderId::CSEQ => "Missing CSeq header",
        HeaderId::FROM => "Missing From header",
        HeaderId::TO => "Missing To header",
        HeaderId::VIA => "Missing Via header",
        _ => "Missing mandatory header",
    }
}

const fn duplicate_reason(id: HeaderId) -> &'static str {
    match id {
        HeaderId::CALL_ID => "Duplicate Call-ID header",
        HeaderId::CONTENT_DISPOSITION => "Duplicate Content-Disposition header",
        HeaderId::CONTENT_LENGTH => "Duplicate Content-Length header",
        HeaderId::CONTENT_TYPE => "Duplicate Content-Type header",
        HeaderId::CSEQ => "Duplicate CSeq header",
        HeaderId::EVENT => "Duplicate Event header",
        HeaderId::EXPIRES => "Duplicate Expires header",
        HeaderId::FROM => "Duplicate From header",
        HeaderId::MAX_FORWARDS => "Duplicate Max-Forwards header",
        HeaderId::SIP_ETAG => "Duplicate SIP-ETag header",
        HeaderId::SIP_IF_MATCH => "Duplicate SIP-If-Match header",
        HeaderId::SUBSCRIPTION_STATE => "Duplicate Subscription-State header",
        HeaderId::TO => "Duplicate To header",
        _ => "Duplicate header",
    }
}
