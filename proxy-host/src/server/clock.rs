//! What time brings: retransmissions, answers that are overdue, outcomes nobody has been told, connections that ended.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use module_api::sip::writer::ResponseHead;
use tokio::time::sleep;

use super::proxy::Proxy;
use crate::transaction::table::Action;
use crate::transaction::timers::{T1, TICK};
use crate::transport::udp::WhenFull;
use crate::user_agent::outbox::Outbox;

/// How long nobody looks while there is no transaction: whichever comes meanwhile, its first timer is not missed.
const TICK_AT_REST: Duration = Duration::from_millis(250);
const _: () = assert!(TICK_AT_REST.as_millis() + TICK.as_millis() <= T1.as_millis());

/// Ticks for as long as the server runs.
pub(super) async fn run(proxy: Arc<Proxy>) -> io::Error {
    let mut outbox = Outbox::new(Arc::clone(&proxy.wire.network), WhenFull::Drop);
    let mut actions = Vec::new();
    loop {
        sleep(if proxy.wire.table.is_empty() { TICK_AT_REST } else { TICK }).await;
        proxy.on_tick(&mut actions, &mut outbox);
    }
}

impl Proxy {
    pub(super) fn on_tick(&self, actions: &mut Vec<Action<module_api::abi::Body>>, outbox: &mut Outbox) {
        let wire = &self.wire;
        let now = wire.now();
        wire.table.tick(now, actions);
        let (mut outcomes, mut repeated) = (Vec::new(), Vec::new());
        for action in actions.drain(..) {
            match action {
                Action::Outcome(outcome) => outcomes.push(outcome),
                Action::Respond { destination, bytes } => {
                    let start = outbox.bytes.len();
                    outbox.bytes.extend_from_slice(&bytes);
                    outbox.post(destination, start, now);
                }
                Action::Retransmit(retransmission) => repeated.push(retransmission),
                Action::Remind(handle) => {
                    tracing::warn!("a request has not been answered in time: it gets 500");
                    let tag = wire.to_tags.mint_for(handle);
                    let head = ResponseHead { code: 500, to_tag: &tag, ..ResponseHead::default() };
                    let start = outbox.bytes.len();
                    if let Ok(destination) = wire.table.reply(handle, &head, now, &mut outbox.bytes) {
                        outbox.post(destination, start, now);
                    }
                }
            }
        }
        outbox.flush();
        wire.send_ready(&repeated, WhenFull::Drop);
        let closed = std::mem::take(&mut *wire.closed_flows.lock());
        if !closed.is_empty() {
            wire.table.on_flows_closed(&closed, &mut outcomes);
        }
        wire.send_released(WhenFull::Drop);
        outcomes.append(&mut wire.outcomes.lock());
        self.tell_local(&outcomes);
        for flow in closed {
            self.modules().iter().for_each(|module| module.on_flow_closed(flow));
        }
    }
}
