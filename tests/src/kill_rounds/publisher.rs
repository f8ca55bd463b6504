//! A publisher, and what it may have published: what was acknowledged, and the two sides of what was not answered.

use std::net::SocketAddr;
use std::time::Instant;

use super::lifetime::Lifetime;
use super::port::Port;
use crate::chance::Chance;
use crate::message::Message;
use crate::pidf;
use crate::user_agent::unique;

/// An event publication agent with at most one publication.
pub(super) struct Publisher {
    pub(super) port: Port,
    /// What its notes begin with.
    pub(super) name: String,
    presentity: String,
    call_id: String,
    tag: String,
    cseq: u32,
    notes: usize,
    published: Option<Publication>,
    asked: Option<Asked>,
    /// When that may have ended again, if it was granted and nobody said so.
    asked_may_end: Instant,
    /// Whether the request under way was under way when the server died.
    is_repeated: bool,
    /// Entity-tags that are good for nothing any more, the latest last.
    gone: Vec<String>,
}

/// What was acknowledged last.
struct Publication {
    entity_tag: String,
    note: String,
    life: Lifetime,
}

/// What the request under way asks for.
#[derive(Clone)]
enum Asked {
    /// To publish, or to replace what is published.
    Note(String),
    Refresh,
    Remove,
    /// Nothing: its entity-tag is gone.
    Refusal,
}

/// Entity-tags tried after each restart.
const GONE_TRIED: usize = 2;

impl Publisher {
    pub(super) fn new(server: SocketAddr, name: &str, presentity: &str) -> Self {
        let (port, name, presentity) = (Port::open(server), name.to_owned(), presentity.to_owned());
        let (call_id, tag, published, asked, gone) = (unique(), unique(), None, None, Vec::new());
        let (cseq, notes, asked_may_end, is_repeated) = (0, 0, Instant::now(), false);
        Self { port, name, presentity, call_id, tag, cseq, notes, published, asked, asked_may_end, is_repeated, gone }
    }

    /// Does the next thing that comes to its mind.
    pub(super) fn go_on(&mut self, chance: &mut Chance) {
        let is_short = chance.is(10);
        let expires_s = if is_short { 2 + chance.below(4) as u32 } else { 3600 };
        match (&self.published, chance.below(100)) {
            (Some(_), 0..20) => self.ask(Asked::Remove, 0),
            (Some(_), 20..55) => self.ask(Asked::Refresh, expires_s),
            _ => {
                self.notes += 1;
                self.ask(Asked::Note(format!("{} {}", self.name, self.notes)), expires_s);
            }
        }
    }

    /// Asks whether what was acknowledged is there still.
    pub(super) fn probe(&mut self) {
        if self.published.is_some() {
            self.ask(Asked::Refresh, 3600);
        }
    }

    /// Claims an entity-tag that is gone, the `nth` from the last; returns `false` if there is none left to try.
    pub(super) fn probe_gone(&mut self, nth: usize) -> bool {
        let tag = self.gone.iter().rev().take(GONE_TRIED).nth(nth).cloned();
        let is_there = tag.is_some();
        if let Some(tag) = tag {
            let request = self.request(3600).with("SIP-If-Match", tag);
            self.asked = Some(Asked::Refusal);
            self.port.send(request);
        }
        is_there
    }

    fn ask(&mut self, asked: Asked, expires_s: u32) {
        let mut request = self.request(expires_s);
        if let Some(publication) = &self.published {
            request = request.with("SIP-If-Match", &publication.entity_tag);
        }
        if let Asked::Note(note) = &asked {
            request = request.with_body(pidf::CONTENT_TYPE, pidf::open(&self.presentity, &self.name, note));
        }
        (self.asked, self.is_repeated) = (Some(asked), false);
        self.asked_may_end = Lifetime::earliest_end(Instant::now(), expires_s);
        self.port.send(request);
    }

    fn request(&mut self, expires_s: u32) -> Message {
        self.cseq += 1;
        Message::request("PUBLISH", &self.presentity)
            .with("From", format!("<{}>;tag={}", self.presentity, self.tag))
            .with("To", format!("<{}>", self.presentity))
            .with("Call-ID", &self.call_id)
            .with("CSeq", format!("{} PUBLISH", self.cseq))
            .with("Event", "presence")
            .with("Expires", expires_s)
    }

    /// Learns that the server died with the request under way.
    pub(super) fn on_kill(&mut self) {
        self.is_repeated = self.port.is_busy();
        self.gone.drain(..self.gone.len().saturating_sub(GONE_TRIED));
    }

    /// Takes in an answer.
    ///
    /// # Errors
    /// It is not what the ledger says it must be.
    pub(super) fn on_answer(&mut self, answer: &Message, sent: Instant) -> Result<(), String> {
        let (asked, now) = (self.asked.take().ok_or("nothing was asked for")?, Instant::now());
        let may_be_over = self.published.as_ref().is_some_and(|publication| publication.life.may_be_over(now));
        // What was executed before the kill and left nothing, or nothing by now, finds nothing when it is repeated.
        let may_be_done = self.is_repeated && (matches!(asked, Asked::Remove) || now >= self.asked_may_end);
        match (answer.code(), asked) {
            (Some(412), Asked::Refusal) => {}
            (Some(200), Asked::Remove) => self.forget(),
            (Some(200), asked @ (Asked::Note(_) | Asked::Refresh)) => self.stored(answer, asked, sent, now)?,
            (Some(412), Asked::Note(_) | Asked::Refresh | Asked::Remove) if may_be_over || may_be_done => {
                self.forget();
            }
            (_, Asked::Refusal) => return Err(format!("an entity-tag that is gone is good again:\n{answer}")),
            (_, Asked::Note(_) | Asked::Refresh | Asked::Remove) => {
                return Err(format!("not the answer to what is published:\n{answer}"));
            }
        }
        Ok(())
    }

    fn forget(&mut self) {
        self.gone.extend(self.published.take().map(|publication| publication.entity_tag));
    }

    fn stored(&mut self, answer: &Message, asked: Asked, sent: Instant, now: Instant) -> Result<(), String> {
        let former = self.published.take();
        let note = match (asked, &former) {
            (Asked::Note(note), _) => note,
            (_, Some(former)) => former.note.clone(),
            (_, None) => return Err(format!("nothing was published:\n{answer}")),
        };
        let entity_tag = answer.get("SIP-ETag").ok_or("no SIP-ETag")?.to_owned();
        let granted_s = answer.get("Expires").and_then(|value| value.parse().ok()).ok_or("no Expires")?;
        self.gone.extend(former.map(|former| former.entity_tag).filter(|former| *former != entity_tag));
        self.published = Some(Publication { entity_tag, note, life: Lifetime::granted(sent, now, granted_s) });
        Ok(())
    }

    /// Returns whether `note` (`None` for nothing) may be what is published at `now`.
    pub(super) fn may_show(&self, note: Option<&str>, now: Instant) -> bool {
        let before = || match &self.published {
            Some(publication) if note.is_some() => {
                note == Some(publication.note.as_str()) && !publication.life.is_over(now)
            }
            Some(publication) => publication.life.may_be_over(now),
            None => note.is_none(),
        };
        let after = || match &self.asked {
            Some(Asked::Note(_) | Asked::Refresh) if note.is_none() => now >= self.asked_may_end,
            Some(Asked::Note(asked)) => note == Some(asked.as_str()),
            Some(Asked::Refresh) => note == self.published.as_ref().map(|known| known.note.as_str()),
            Some(Asked::Remove) => note.is_none(),
            Some(Asked::Refusal) | None => false,
        };
        before() || after()
    }

    /// Returns whom it publishes for.
    pub(super) fn presentity(&self) -> &str {
        &self.presentity
    }
}
