//! What the crowd asks of every user agent, whichever kind it is.

use super::port::{Arrived, Port};
use super::publisher::Publisher;
use super::watcher::Watcher;

/// Either kind of user agent.
pub(super) enum Agent<'a> {
    Publisher(&'a mut Publisher),
    Watcher(&'a mut Watcher),
}

/// Where an agent's requests after a restart stand.
#[derive(Clone, Copy)]
pub(super) enum Probe {
    Alive,
    Gone(usize),
    Done,
}

impl Agent<'_> {
    pub(super) fn port(&mut self) -> &mut Port {
        match self {
            Self::Publisher(publisher) => &mut publisher.port,
            Self::Watcher(watcher) => &mut watcher.port,
        }
    }

    pub(super) fn take_in(&mut self, buffer: &mut [u8]) -> Result<Option<Arrived>, String> {
        let arrived = self.port().receive(buffer)?;
        match (&arrived, self) {
            (Some(Arrived::Answer { answer, sent }), Self::Publisher(publisher)) => {
                publisher.on_answer(answer, *sent)?
            }
            (Some(Arrived::Answer { answer, sent }), Self::Watcher(watcher)) => watcher.on_answer(answer, *sent)?,
            (Some(Arrived::Request(request)), Self::Watcher(watcher)) => watcher.on_request(request)?,
            (Some(Arrived::Request(request)), Self::Publisher(_)) => return Err(format!("is sent\n{request}")),
            (Some(Arrived::Repeated) | None, _) => {}
        }
        Ok(arrived)
    }

    /// Asks the next question, if the last one is answered.
    pub(super) fn probe(&mut self, probe: &mut Probe) {
        if self.port().is_busy() {
            return;
        }
        let is_asked = match (*probe, self) {
            (Probe::Alive, Self::Publisher(publisher)) => {
                publisher.probe();
                true
            }
            (Probe::Alive, Self::Watcher(watcher)) => {
                watcher.probe();
                true
            }
            (Probe::Gone(nth), Self::Publisher(publisher)) => publisher.probe_gone(nth),
            (Probe::Gone(nth), Self::Watcher(watcher)) => watcher.probe_former(nth),
            (Probe::Done, _) => false,
        };
        *probe = match *probe {
            Probe::Alive => Probe::Gone(0),
            Probe::Gone(nth) if is_asked => Probe::Gone(nth + 1),
            Probe::Gone(_) | Probe::Done => Probe::Done,
        };
    }
}
