//! Many statements under way at once on one connection: all are sent, in their order, before the first is answered.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Futures that are answered in the order in which they were begun, since a connection answers in order.
pub(super) struct InOrder<F: Future> {
    begun: bool,
    futures: Vec<Pin<Box<F>>>,
    answers: Vec<Option<F::Output>>,
    next: usize,
}

// Nothing in it is pinned by way of it: each future has a place of its own.
impl<F: Future> Unpin for InOrder<F> {}

impl<F: Future> InOrder<F> {
    /// Takes the futures; nothing is begun before this is polled.
    pub(super) fn new(futures: impl Iterator<Item = F>) -> Self {
        let futures: Vec<_> = futures.map(Box::pin).collect();
        Self { begun: false, answers: futures.iter().map(|_| None).collect(), futures, next: 0 }
    }
}

impl<F: Future> Future for InOrder<F> {
    type Output = Vec<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if !std::mem::replace(&mut this.begun, true) {
            for (future, answer) in this.futures.iter_mut().zip(&mut this.answers) {
                if let Poll::Ready(ready) = future.as_mut().poll(context) {
                    *answer = Some(ready);
                }
            }
        }
        while let Some(future) = this.futures.get_mut(this.next) {
            if this.answers[this.next].is_none() {
                match future.as_mut().poll(context) {
                    Poll::Ready(ready) => this.answers[this.next] = Some(ready),
                    Poll::Pending => break,
                }
            }
            this.next += 1;
        }
        match this.next == this.futures.len() {
            true => Poll::Ready(this.answers.iter_mut().filter_map(Option::take).collect()),
            false => Poll::Pending,
        }
    }
}
