//! Every message of `messages/`, over UDP, over TCP and over TCP byte by byte: its answer, nothing but its answer, and a server
//! that goes on.

use tests::server::Server;

use crate::case::{Answer, Case, filled};
use crate::line::{Line, Way};
use crate::witness::Witness;

/// What is answered at once, wherever it comes.
const PROBE: &str = "OPTIONS sip:pres.example SIP/2.0
Via: SIP/2.0/@TRANSPORT@ @SELF@;branch=@BRANCH@
To: <sip:pres.example>
From: <sip:probe@watch.example>;tag=1
Call-ID: probe.@N@
CSeq: 4711 OPTIONS
Max-Forwards: 70
Content-Length: 0

";

fn check_all(directory: &str, count: usize) {
    let server = Server::quickstart();
    let mut witness = Witness::new(&server);
    let cases = Case::all(directory);
    assert_eq!(cases.len(), count);
    let mut wrong = Vec::new();
    for case in &cases {
        for way in [Way::Udp, Way::Tcp, Way::TcpInBytes] {
            let mut line = Line::open(&server, way);
            let message = case.filled(&line);
            line.send(&message);
            if let Err(error) = check_answer(case.answer(way), &mut line) {
                wrong.push(format!("{} over {way:?}: {error}", case.label));
            }
            witness.is_served(&server);
        }
    }
    witness.finish();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn check_answer(expected: &Answer, line: &mut Line) -> Result<(), String> {
    for code in &expected.codes {
        let response = line.response()?;
        let is_said = expected.words.iter().all(|word| response.start.contains(word.as_str()));
        if response.code() != Some(*code) || !is_said {
            return Err(format!("not {code} {:?} but {response}", expected.words));
        }
    }
    if expected.closes {
        return line.wait_until_closed();
    }
    if !expected.is_incomplete {
        // Nothing more comes before the answer to what is sent next.
        line.send(&filled(PROBE, "probe", line));
        let response = line.response()?;
        if response.cseq() != Some((4711, "OPTIONS")) {
            return Err(format!("another answer: {response}"));
        }
    }
    Ok(())
}

#[test]
fn rfc4475_torture() {
    check_all("rfc4475", 51);
}

#[test]
fn rfc5118_ipv6() {
    check_all("rfc5118", 14);
}

/// Section 3, P7 of what users of the descendants report: leaks and crashes on odd input.
#[test]
fn peers_crash_reports() {
    check_all("peers", 15);
}
