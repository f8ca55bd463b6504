//! One change, one row, one statement.
//!
//! Nothing is cut to fit: a number the database cannot hold is refused, and the decision it is from with it.

use smol_str::{SmolStr, ToSmolStr};

use super::statement::{Statement, Write};
use super::statements::Statements;
use super::value::Bind;
use crate::change::{Change, PublicationRow, RenewedRow, SubscriptionRow, TransportAddress, WatcherRow};
use crate::store::CommitError;
use Bind::{Blob, Integer, Made, Text};

/// A number past what a 64-bit signed column holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{column}` is too large to be stored")]
pub(crate) struct TooLarge {
    /// The column.
    column: &'static str,
}

/// Returns what writes `change`; `None` for what only memory knows of.
pub(crate) fn write<'a>(statements: &'a Statements, change: &'a Change) -> Result<Option<Write<'a>>, CommitError> {
    let of = |statement: &'a Statement, binds: Vec<Bind<'a>>| Ok(Some(Write { statement, binds }));
    match change {
        Change::PublicationStored { row, .. } => of(&statements.publication_stored, publication(row)?),
        Change::PublicationContinued { id, entity_tag, body: Some(body), received_at_ms, expires, .. } => {
            let (expires, received_time) =
                (integer("expires", *expires)?, integer("received_time", received_at_ms / 1000)?);
            let binds = vec![Text(entity_tag), expires, received_time, Text(body), integer("id", *id)?];
            of(&statements.publication_modified, binds)
        }
        Change::PublicationContinued { id, entity_tag, body: None, expires, .. } => {
            let binds = vec![Text(entity_tag), integer("expires", *expires)?, integer("id", *id)?];
            of(&statements.publication_refreshed, binds)
        }
        Change::PublicationRemoved { id } => of(&statements.publication_removed, vec![integer("id", *id)?]),
        Change::SubscriptionStored { row, .. } => of(&statements.subscription_stored, subscription(row)?),
        Change::SubscriptionRefreshed { row, is_prolonged_only: true, .. } => {
            of(&statements.subscription_prolonged, prolonged_subscription(row)?)
        }
        Change::SubscriptionRefreshed { row, .. } => {
            of(&statements.subscription_refreshed, refreshed_subscription(row)?)
        }
        Change::SubscriptionAuthorized { key, status } => {
            of(&statements.subscription_authorized, vec![Text(status.as_str()), Text(status.reason()), Blob(&key.0)])
        }
        Change::SubscriptionMoved { row, .. } => {
            let (remote_target, local_contact) = (Text(&row.remote_target), Text(&row.local_contact));
            let binds =
                vec![remote_target, address(row.received), address(row.socket), local_contact, Blob(&row.key.0)];
            of(&statements.subscription_moved, binds)
        }
        Change::CseqReserved { key, local_cseq } => {
            of(&statements.cseq_reserved, vec![Integer(i64::from(*local_cseq)), Blob(&key.0)])
        }
        Change::SubscriptionRemoved { key, .. } => of(&statements.subscription_removed, vec![Blob(&key.0)]),
        Change::WatcherStored { row, .. } => of(&statements.watcher_stored, watcher(row)?),
        Change::WatcherRemoved { presentity, watcher, event, .. } => {
            let of_whom = [&presentity.user, &presentity.domain, &watcher.user, &watcher.domain, event];
            of(&statements.watcher_removed, of_whom.map(|text| Text(text)).into())
        }
        Change::SubscriptionFetched { .. } => Ok(None),
    }
}

/// The values of [`PUBLICATION`](super::statements::PUBLICATION).
fn publication(row: &PublicationRow) -> Result<Vec<Bind<'_>>, CommitError> {
    Ok(vec![
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
fn subscription(row: &SubscriptionRow) -> Result<Vec<Bind<'_>>, CommitError> {
    Ok(vec![
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
        address(row.received),
        address(row.socket),
        Text(&row.user_agent),
        Text(&row.watcher_id),
        Text(&row.display_name),
        integer("subscribed_at", row.subscribed_at)?,
        Text(row.status.reason()),
        Text(&row.instance),
    ])
}

/// What a refresh changes by which nothing is other than it was but times and numbers, and the key.
fn prolonged_subscription(row: &RenewedRow) -> Result<Vec<Bind<'_>>, CommitError> {
    let remote_cseq = || Integer(i64::from(row.remote_cseq));
    let (expires, granted_s) = (integer("expires", row.expires)?, Integer(i64::from(row.granted_s)));
    Ok(vec![remote_cseq(), expires, granted_s, remote_cseq(), Blob(&row.key.0)])
}

/// What a refresh may change, and the key.
fn refreshed_subscription(row: &RenewedRow) -> Result<Vec<Bind<'_>>, CommitError> {
    let remote_cseq = || Integer(i64::from(row.remote_cseq));
    Ok(vec![
        remote_cseq(),
        Text(&row.remote_target),
        integer("expires", row.expires)?,
        Integer(i64::from(row.granted_s)),
        Text(&row.accept),
        Integer(i64::from(row.local_cseq)),
        remote_cseq(),
        address(row.received),
        address(row.socket),
        Text(&row.local_contact),
        Text(&row.user_agent),
        Blob(&row.key.0),
    ])
}

/// The values of [`WATCHER`](super::statements::WATCHER).
fn watcher(row: &WatcherRow) -> Result<Vec<Bind<'_>>, CommitError> {
    Ok(vec![
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

fn address(address: Option<TransportAddress>) -> Bind<'static> {
    Made(address.map_or_else(SmolStr::default, |address| address.to_smolstr()))
}
