//! What is published of Dana: little, so that it is often the same again.

/// What is in the notes that only some may see.
pub(super) const SECRET: &str = "secret";

/// A document.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Document {
    pub(super) note: u8,
    pub(super) is_at_work: bool,
    /// The sphere of a person, if there is one.
    pub(super) sphere: Option<&'static str>,
}

impl Document {
    pub(super) fn written(self, device: usize) -> String {
        let Self { note, is_at_work, sphere } = self;
        let class = if is_at_work { "<rp:class>work</rp:class>" } else { "" };
        let person = sphere.map_or(String::new(), |sphere| {
            format!("<dm:person id=\"p\"><rp:sphere><rp:{sphere}/></rp:sphere><dm:note>{SECRET}</dm:note></dm:person>")
        });
        format!(
            "<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" xmlns:dm=\"urn:ietf:params:xml:ns:pidf:data-model\" \
             xmlns:rp=\"urn:ietf:params:xml:ns:pidf:rpid\" entity=\"sip:dana@pres.example\"><tuple id=\"t{device}\">\
             <status><basic>open</basic></status>{class}<contact>sip:dana@192.0.2.{device}</contact>\
             <note>{SECRET} {note}</note></tuple>{person}</presence>"
        )
    }
}

/// Returns the sphere that all agree on (RFC 5025 §3.1.2).
pub(super) fn sphere(documents: impl IntoIterator<Item = Document>) -> Option<&'static str> {
    let mut spheres: Vec<_> = documents.into_iter().filter_map(|document| document.sphere).collect();
    spheres.dedup();
    spheres.sort_unstable();
    spheres.dedup();
    if let [sphere] = spheres[..] { Some(sphere) } else { None }
}
