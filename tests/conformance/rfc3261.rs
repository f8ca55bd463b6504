//! RFC 3261: SIP, as far as a server meets it that answers requests and sends NOTIFYs. In the order of its sections.

mod messages; // §7, how a message is written
mod checks; // §8.2, what a request must be to be carried out
mod methods; // §9, §11, §15: CANCEL, OPTIONS, BYE
mod dialogs; // §12, §16.4, route sets and remote targets
mod transactions; // §17, and what belongs to which
mod transport; // §18, where messages go and where they end
