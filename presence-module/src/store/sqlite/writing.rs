//! One change, one row, one statement.
//!
//! Nothing is cut to fit: a number the database cannot hold is refused, and the decision it is from with it.

use diesel::SqliteConnection;
use smol_str::{SmolStr, ToSmolStr};

use super::failure;
use super::link::run;
use super::statements::{Bind, Statement, Statements};
use crate::change::{Change, PublicationRow, SubscriptionRow, TransportAddress, WatcherRow};
use crate::store::CommitError;
use Bind::{Blob, Integer, Text};

/// A number past what a 64-bit signed column holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{column}` is too large to be stored")]
pub struct TooLarge {
    /// The column.
    pub column: &'static str,
}

/// Writes `change` and returns how many rows it met; `None` for what only memory knows of.
pub(super) fn write(
    connection: &mut SqliteConnection,
    statements: &Statements,
    change: &Change,
) -> Result<Option<usize>, CommitError> {
    let mut run = |statement: &Statement, binds: &[Bind<'_>]| {
        run(connection, &statement.with(binds)).map(Some).map_err(failure::of_a_row)
    };
    match change {
        Change::PublicationStored { row, .. } => run(&statements.publication_stored, &publication(row)?),
        Change::PublicationContinued { id, entity_tag, body: Some(body), received_at_ms, expires, .. } => {
            let (expires, received_time) =
                (integer("expires", *expires)?, integer("received_time", received_at_ms / 1000)?);
            let binds = [Text(entity_tag), expires, received_time, Text(body), integer("id", *id)?];
            run(&statements.publication_modified, &binds)
        }
        Change::PublicationContinued { id, entity_tag, body: None, expires, .. } => {
            let binds = [Text(entity_tag), integer("expires", *expires)?, integer("id", *id)?];
            run(&statements.publication_refreshed, &binds)
        }
        Change::PublicationRemoved { id } => run(&statements.publication_removed, &[integer("id", *id)?]),
        Change::SubscriptionStored { row, .. } => {
            let (received, socket) = (column(row.received), column(row.socket));
            run(&statements.subscription_stored, &subscription(row, &received, &socket)?)
        }
        Change::SubscriptionRefreshed { row, .. } => {
            let (received, socket) = (column(row.received), column(row.socket));
            run(&statements.subscription_refreshed, &refreshed_subscription(row, &received, &socket)?)
        }
        Change::SubscriptionAuthorized { key, status } => {
            run(&statements.subscription_authorized, &[Text(status.as_str()), Text(status.reason()), Blob(&key.0)])
        }
        Change::SubscriptionMoved { row, .. } => {
            let (received, socket) = (column(row.received), column(row.socket));
            let (remote_target, local_contact) = (Text(&row.remote_target), Text(&row.local_contact));
            let binds = [remote_target, Text(&received), Text(&socket), local_contact, Blob(&row.key.0)];
            run(&statements.subscription_moved, &binds)
        }
        Change::CseqReserved { key, local_cseq } => {
            run(&statements.cseq_reserved, &[Integer(i64::from(*local_cseq)), Blob(&key.0)])
        }
        Change::SubscriptionRemoved { key, .. } => run(&statements.subscription_removed, &[Blob(&key.0)]),
        Change::WatcherStored { row, .. } => run(&statements.watcher_stored, &watcher(row)?),
        Change::WatcherRemoved { presentity, watcher, event, .. } => {
            let of = [&presentity.user, &presentity.domain, &watcher.user, &watcher.domain, event];
            run(&statements.watcher_removed, &of.map(|text| Text(text)))
        }
        Change::SubscriptionFetched { .. } => Ok(None),
    }
}

/// The values of [`PUBLICATION`](super::statements::PUBLICATION).
fn publication(row: &PublicationRow) -> Result<[Bind<'_>; 8], CommitError> {
    Ok([
        integer("id", row.id)?,
        Text(&row.presentity.user),
        Text(&row.presentity.domain),
        Text(&row.event),
        Text(&row.entity_tag),
        integer("expires", row.expires)?,
        integer("received_time", row.received_at_ms / 1000)?,
        Text(&row.body),
    ])
}

/// The values of [`SUBSCRIPTION`](super::statements::SUBSCRIPTION).
fn subscription<'a>(
    row: &'a SubscriptionRow,
    received: &'a str,
    socket: &'a str,
) -> Result<[Bind<'a>; 33], CommitError> {
    Ok([
        Blob(&row.key.0),
        Text(&row.presentity.user),
        Text(&row.presentity.domain),
        Text(&row.watcher.user),
        Text(&row.watcher.domain),
        Text(&row.event),
        Text(&row.event_id),
        Text(&row.local_tag),
        Text(&row.remote_tag),
        Text(&row.call_id),
        Integer(i64::from(row.remote_cseq)),
        Text(&row.remote_target),
        Text(&row.route_set),
        integer("expires", row.expires)?,
        Text(row.status.as_str()),
        Integer(i64::from(row.version)),
        Integer(i64::from(row.granted_s)),
        Text(&row.presentity_uri),
        Text(&row.local_uri),
        Text(&row.remote_uri),
        Text(&row.identity),
        Text(&row.accept),
        Integer(i64::from(row.local_cseq)),
        Integer(i64::from(row.remote_cseq)),
        Text(&row.local_contact),
        Text(received),
        Text(socket),
        Text(&row.user_agent),
        Text(&row.watcher_id),
        Text(&row.display_name),
        integer("subscribed_at", row.subscribed_at)?,
        Text(row.status.reason()),
        Text(&row.instance),
    ])
}

/// What a refresh changes, and the key.
fn refreshed_subscription<'a>(
    row: &'a SubscriptionRow,
    received: &'a str,
    socket: &'a str,
) -> Result<[Bind<'a>; 12], CommitError> {
    let remote_cseq = Integer(i64::from(row.remote_cseq));
    Ok([
        remote_cseq,
        Text(&row.remote_target),
        integer("expires", row.expires)?,
        Integer(i64::from(row.granted_s)),
        Text(&row.accept),
        Integer(i64::from(row.local_cseq)),
        remote_cseq,
        Text(received),
        Text(socket),
        Text(&row.local_contact),
        Text(&row.user_agent),
        Blob(&row.key.0),
    ])
}

/// The values of [`WATCHER`](super::statements::WATCHER).
fn watcher(row: &WatcherRow) -> Result<[Bind<'_>; 11], CommitError> {
    Ok([
        Text(&row.presentity.user),
        Text(&row.presentity.domain),
        Text(&row.watcher.user),
        Text(&row.watcher.domain),
        Text(row.status.as_str()),
        Text(&row.reason),
        integer("inserted_time", row.inserted_time)?,
        Text(&row.event),
        Text(&row.watcher_id),
        integer("deadline", row.deadline)?,
        Text(&row.identity),
    ])
}

fn integer(column: &'static str, number: u64) -> Result<Bind<'static>, CommitError> {
    i64::try_from(number).map(Integer).map_err(|_| CommitError::Data(Box::new(TooLarge { column })))
}

fn column(address: Option<TransportAddress>) -> SmolStr {
    address.map(|address| address.to_smolstr()).unwrap_or_default()
}
