//! Waiting for datagrams on several sockets at once: of all the threads that wait on one, the system wakes a single one for
//! what comes, so that the others sleep on.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};

/// Tells every [`Watch`] that knows it to end, once and for all.
#[derive(Debug)]
pub struct Stop(EventFd);

impl Stop {
    /// Makes one that has not been raised.
    pub fn new() -> io::Result<Self> {
        Ok(Self(EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?))
    }

    /// Ends every wait, those that begin later as well.
    pub fn raise(&self) -> io::Result<()> {
        self.0.write(1)?;
        Ok(())
    }
}

/// What one thread waits for.
#[derive(Debug)]
pub struct Watch {
    epoll: Epoll,
    /// Room for what has happened.
    events: Vec<EpollEvent>,
}

/// Stands for [`Stop`]; sockets are numbered from 0.
const STOP: u64 = u64::MAX;

impl Watch {
    /// Watches `sockets` and `stop`, which stay open for as long as the watch is used.
    pub fn new<'s, S: AsFd + 's>(sockets: impl IntoIterator<Item = &'s S>, stop: &Stop) -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let readable = EpollFlags::EPOLLIN;
        // Nobody reads it, so it ends every wait of every thread.
        epoll.add(&stop.0, EpollEvent::new(readable, STOP))?;
        let mut count = 1;
        for (at, socket) in sockets.into_iter().enumerate() {
            epoll.add(socket, EpollEvent::new(readable | EpollFlags::EPOLLEXCLUSIVE, at as u64))?;
            count += 1;
        }
        Ok(Self { epoll, events: vec![EpollEvent::empty(); count] })
    }

    /// Waits, for `pause` at most if there is one, until sockets have something to be read, and returns their places; `None`
    /// once it is to end. Another thread may have read it meanwhile.
    pub fn wait(&mut self, pause: Option<Duration>) -> io::Result<Option<impl Iterator<Item = usize>>> {
        let timeout = pause
            .map_or(EpollTimeout::NONE, |pause| EpollTimeout::try_from(pause.as_millis()).unwrap_or(EpollTimeout::MAX));
        let count = match self.epoll.wait(&mut self.events, timeout) {
            Ok(count) => count,
            Err(Errno::EINTR) => 0,
            Err(error) => return Err(error.into()),
        };
        let happened = &self.events[..count];
        if happened.iter().any(|event| event.data() == STOP) {
            return Ok(None);
        }
        Ok(Some(happened.iter().map(|event| event.data() as usize)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;

    fn socket() -> UdpSocket {
        UdpSocket::bind("127.0.0.1:0").unwrap()
    }

    fn wait(watch: &mut Watch, pause: Option<Duration>) -> Option<Vec<usize>> {
        watch.wait(pause).unwrap().map(Iterator::collect)
    }

    #[test]
    fn who_has_something_is_named_until_it_is_read() {
        let (sockets, stop) = ([socket(), socket(), socket()], Stop::new().unwrap());
        let mut watch = Watch::new(&sockets, &stop).unwrap();
        assert_eq!(wait(&mut watch, Some(Duration::ZERO)), Some(vec![]));
        for at in [2, 1] {
            sockets[0].send_to(b"hello", sockets[at].local_addr().unwrap()).unwrap();
        }
        for left in [vec![1, 2], vec![2]] {
            let mut named = wait(&mut watch, None).unwrap();
            named.sort_unstable();
            assert_eq!(named, left);
            sockets[named[0]].recv(&mut [0; 8]).unwrap();
        }
    }

    #[test]
    fn a_stop_ends_the_waits_of_all_threads_for_good() {
        let (socket, stop) = (socket(), Stop::new().unwrap());
        std::thread::scope(|scope| {
            for _ in 0..3 {
                let mut watch = Watch::new([&socket], &stop).unwrap();
                scope.spawn(move || {
                    assert_eq!(wait(&mut watch, None), None);
                    assert_eq!(wait(&mut watch, None), None, "it is not over by being noticed");
                });
            }
            stop.raise().unwrap();
        });
    }

    #[test]
    fn a_pause_ends_a_wait() {
        let stop = Stop::new().unwrap();
        let mut watch = Watch::new(std::iter::empty::<&UdpSocket>(), &stop).unwrap();
        assert_eq!(wait(&mut watch, Some(Duration::from_millis(2))), Some(vec![]));
    }
}
