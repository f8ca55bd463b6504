//! A phone that subscribes to Dana: who it says it is, what it has proven, and where it is.

use module_api::abi::Transport;

use super::Rig;

/// A phone, as of now: one that moves is another value.
#[derive(Clone, Debug)]
pub(super) struct Phone<'a> {
    /// Who it says it is, at pres.example.
    pub(super) user: &'a str,
    /// Who the host has authenticated, empty for nobody.
    pub(super) identity: &'a str,
    /// The Call-ID of its dialogs.
    pub(super) call: String,
    /// The value of its Contact.
    pub(super) contact: String,
    /// Further header lines.
    pub(super) headers: &'a str,
    /// The address it sends from.
    pub(super) source: &'a str,
    pub(super) transport: Transport,
    /// Its connection, 0 for none.
    pub(super) flow: u64,
}

impl<'a> Phone<'a> {
    pub(super) fn of(user: &'a str) -> Self {
        Self {
            user,
            identity: "",
            call: format!("c-{user}"),
            contact: format!("<sip:{user}@192.0.2.1>"),
            headers: "",
            source: "192.0.2.1:5060",
            transport: Transport::UDP,
            flow: 0,
        }
    }

    /// Subscribes, in the dialog that `to_tag` names if there is one, and returns the transaction.
    pub(super) fn subscribe(&self, rig: &Rig, event: &str, to_tag: &str, cseq: u32, expires: u32) -> u64 {
        let Self { user, call, contact, headers, .. } = self;
        let tag = if to_tag.is_empty() { String::new() } else { format!(";tag={to_tag}") };
        let message = format!(
            "SUBSCRIBE sip:dana@pres.example SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{call}{cseq}\r\n\
             From: <sip:{user}@pres.example>;tag=w\r\nTo: <sip:dana@pres.example>{tag}\r\nCall-ID: {call}\r\n\
             CSeq: {cseq} SUBSCRIBE\r\nContact: {contact}\r\nEvent: {event}\r\nExpires: {expires}\r\n{headers}\
             Content-Length: 0\r\n\r\n"
        );
        rig.call_from(self, 1, &message, &[]).0
    }
}
