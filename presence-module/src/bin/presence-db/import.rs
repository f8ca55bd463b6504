//! `presence-db import`: what becomes of each table is printed, and why rows are left behind.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use presence::store::import::{Source, SourceNames, Transfer};
use presence::store::owner::Owner;
use presence::store::url::DatabaseUrl;
use presence::store::{Durability, Migrate, TakeOver, Taking};

use crate::arguments::Import;

/// No answer of a database is waited for longer: it may have to read a table first.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(60);

/// How much longer somebody waits for a decision; the server's `waiting_time` bounds it further.
const WAITING_TIME_S: u64 = 259_200;

/// Takes over from one database into the other.
pub(crate) fn run(arguments: &Import) -> Result<(), String> {
    let source_url =
        DatabaseUrl::parse(&arguments.source_url).map_err(|expected| format!("SOURCE_URL: expected {expected}"))?;
    let target_url =
        DatabaseUrl::parse(&arguments.target_url).map_err(|expected| format!("TARGET_URL: expected {expected}"))?;
    let source = Source::open(&source_url, TIMEOUT).map_err(|error| format!("the source {source_url}: {error}"))?;
    let (names, owner) = (arguments.tables.names(), Owner::this_process().to_string());
    let mut random = |bytes: &mut [u8]| getrandom::fill(bytes).expect("the system has random numbers");
    let taking = Taking {
        names: &names,
        owner: &owner,
        take_over: TakeOver::IfOwnerIsGone,
        migrate: Migrate::Automatically,
        random: &mut random,
        note: &mut |note| println!("{note}"),
    };
    let opened = target_url.open(Durability::Full, TIMEOUT, taking);
    let (mut target, _) = opened.map_err(|error| format!("the target {target_url}: {error}"))?;
    let transfer = Transfer {
        source,
        names: SourceNames {
            presentity: arguments.source_presentity_table.clone(),
            active_watchers: arguments.source_active_watchers_table.clone(),
            watchers: arguments.source_watchers_table.clone(),
            xcap: arguments.source_xcap_table.clone(),
            is_complete: false,
        },
        target: &mut target,
        now_s: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
        waiting_time_s: WAITING_TIME_S,
    };
    for report in transfer.run().map_err(|error| error.to_string())? {
        println!("{report}");
    }
    Ok(())
}
