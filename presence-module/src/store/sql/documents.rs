//! Documents that are put into the table of rules by our own tools: the server only reads them.

use super::statement::Write;
use super::store::SqlStore;
use super::value::Bind;
use crate::presentity_uri::PresentityUri;
use crate::store::CommitError;

/// A document to be put into the table.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewDocument {
    /// Whose it is.
    pub owner: PresentityUri,
    /// What kind of document.
    pub doc_type: i64,
    /// Which of the owner's documents of that kind; empty where there can be one only.
    pub doc_uri: String,
    /// The document.
    pub document: String,
}

impl SqlStore {
    /// Adds documents to the table of rules, in one transaction.
    ///
    /// # Errors
    /// The database refuses one of them, or failed.
    pub fn put_documents(&mut self, documents: &[&NewDocument]) -> Result<(), CommitError> {
        self.forget_rule_owners();
        self.owned(|connection, statements| {
            let writes =
                documents.iter().map(|new| Write { statement: &statements.document_stored, binds: binds(new) });
            Ok(connection.write(&writes.collect::<Vec<_>>())?)
        })
    }
}

/// The values of [`NEW_DOCUMENT`](super::statements::NEW_DOCUMENT).
fn binds(new: &NewDocument) -> Vec<Bind<'_>> {
    vec![
        Bind::Text(&new.owner.user),
        Bind::Text(&new.owner.domain),
        Bind::Integer(new.doc_type),
        Bind::Text(&new.doc_uri),
        Bind::Text(&new.document),
    ]
}
