//! Values on their way into a statement and out of a row.

use smol_str::SmolStr;

/// A value for a statement's parameter.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) enum Bind<'a> {
    /// Bytes.
    Blob(&'a [u8]),
    /// A number.
    Integer(i64),
    /// A text that was made for the statement.
    Made(SmolStr),
    /// A text.
    Text(&'a str),
}

impl Bind<'_> {
    /// Returns the emptiest value of the same type.
    pub(crate) fn empty(&self) -> &'static Bind<'static> {
        static BLOB: Bind<'static> = Bind::Blob(&[]);
        static INTEGER: Bind<'static> = Bind::Integer(0);
        static TEXT: Bind<'static> = Bind::Text("");
        match self {
            Self::Blob(_) => &BLOB,
            Self::Integer(_) => &INTEGER,
            Self::Made(_) | Self::Text(_) => &TEXT,
        }
    }
}

/// What stands in one column of a row.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Cell<'a> {
    /// Bytes that are no text.
    Bytes(&'a [u8]),
    /// A number.
    Integer(i64),
    /// A column the row does not have.
    Missing,
    /// Nothing.
    Null,
    /// Something that is neither bytes, text, nor a whole number.
    Other,
    /// A text.
    Text(&'a str),
    /// A text that is not UTF-8.
    TextOfOtherCharset,
}

impl<'a> Cell<'a> {
    /// Returns the bytes, if it is bytes.
    pub(crate) fn as_bytes(self) -> Option<&'a [u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// Returns the number, if it is one.
    pub(crate) fn as_integer(self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(number),
            _ => None,
        }
    }
}

/// A row that lives as long as the call that shows it.
pub(crate) trait Row {
    /// Shows what stands at `position` to `read`, once.
    fn cell(&self, position: usize, read: &mut dyn FnMut(Cell<'_>));
}
