//! At which of the machine's addresses a datagram came in, and from which one leaves, where a socket is bound to all of
//! them: an answer leaves from where its request arrived (RFC 3581 §4).
//!
//! A socket bound to one address has nothing to tell, and is asked nothing.

use nix::cmsg_space;
use nix::libc::{in_addr, in_pktinfo, in6_addr, in6_pktinfo};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MultiHeaders, RecvMsg, SockaddrStorage, setsockopt, sockopt,
};
use std::cell::RefCell;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd;

/// Lets `socket`, bound to `bound`, tell where each datagram came in, if there is a choice.
pub(super) fn ask(socket: &impl AsFd, bound: SocketAddr) -> io::Result<()> {
    match bound.ip() {
        address if !address.is_unspecified() => {}
        IpAddr::V4(_) => setsockopt(socket, sockopt::Ipv4PacketInfo, &true)?,
        IpAddr::V6(_) => setsockopt(socket, sockopt::Ipv6RecvPacketInfo, &true)?,
    }
    Ok(())
}

/// Makes room for a batch of datagrams from a socket bound to `bound`. What the system writes for one datagram fills the
/// room for it exactly, for it is the measure of the room for the next.
pub(super) fn headers_for(bound: SocketAddr, count: usize) -> MultiHeaders<SockaddrStorage> {
    let room = bound.ip().is_unspecified().then(|| match bound {
        SocketAddr::V4(_) => cmsg_space!(in_pktinfo),
        SocketAddr::V6(_) => cmsg_space!(in6_pktinfo),
    });
    MultiHeaders::preallocate(count, room)
}

/// Returns where a datagram came in, if its socket was asked to tell.
pub(super) fn arrived_at(message: &RecvMsg<'_, '_, SockaddrStorage>) -> Option<IpAddr> {
    message.cmsgs().ok()?.find_map(|part| match part {
        ControlMessageOwned::Ipv4PacketInfo(info) => {
            Some(IpAddr::V4(Ipv4Addr::from_bits(u32::from_be(info.ipi_spec_dst.s_addr))))
        }
        ControlMessageOwned::Ipv6PacketInfo(info) => Some(IpAddr::V6(Ipv6Addr::from(info.ipi6_addr.s6_addr))),
        _ => None,
    })
}

/// Lets `send` send datagrams that leave from `local`, or from where the system likes.
pub(super) fn from<T>(
    local: Option<IpAddr>,
    count: usize,
    send: impl FnOnce(&mut MultiHeaders<SockaddrStorage>, &[ControlMessage<'_>]) -> T,
) -> T {
    match local {
        None => ANYWHERE.with_borrow_mut(|headers| send(headers, &[])),
        Some(IpAddr::V4(address)) => {
            let (any, own) = (in_addr { s_addr: 0 }, in_addr { s_addr: address.to_bits().to_be() });
            let info = in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: own, ipi_addr: any };
            let mut headers = MultiHeaders::preallocate(count, Some(cmsg_space!(in_pktinfo)));
            send(&mut headers, &[ControlMessage::Ipv4PacketInfo(&info)])
        }
        Some(IpAddr::V6(address)) => {
            let info = in6_pktinfo { ipi6_addr: in6_addr { s6_addr: address.octets() }, ipi6_ifindex: 0 };
            let mut headers = MultiHeaders::preallocate(count, Some(cmsg_space!(in6_pktinfo)));
            send(&mut headers, &[ControlMessage::Ipv6PacketInfo(&info)])
        }
    }
}

thread_local! {
    /// What `sendmmsg` fills in, made once a thread.
    static ANYWHERE: RefCell<MultiHeaders<SockaddrStorage>> =
        RefCell::new(MultiHeaders::preallocate(super::udp::BATCH_MAX, None));
}
