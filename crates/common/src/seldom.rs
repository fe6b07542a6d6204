//! Polls a future only when it was woken.
//!
//! A connection is polled for every read, and beside it what may end it: timers, and the phase of
//! its server. Each of those takes locks and leaves its waker anew whenever it is polled, which
//! together costs more than the rest of a poll that finds one call.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use pin_project_lite::pin_project;

pin_project! {
    /// A future that waits beside others of its task.
    #[derive(Debug)]
    pub(crate) struct Seldom<F> {
        #[pin]
        future: F,
        bell: Arc<Bell>,
        // What the future is polled with: it rings the bell.
        ring: Waker,
        // The task, as the bell knows it.
        task: Option<Waker>,
    }
}

#[derive(Debug, Default)]
struct Bell {
    rung: AtomicBool,
    task: Mutex<Option<Waker>>,
}

impl Bell {
    fn set_task(&self, task: &Waker) {
        let before = self.task.lock().unwrap_or_else(PoisonError::into_inner).replace(task.clone());
        drop(before);
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rung.store(true, Ordering::Release);
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(task) = task {
            task.wake();
        }
    }
}

impl<F> Seldom<F> {
    pub(crate) fn new(future: F) -> Self {
        let bell = Arc::new(Bell { rung: AtomicBool::new(true), task: Mutex::default() });
        Self { future, ring: Arc::clone(&bell).into(), bell, task: None }
    }

    /// The future, to be changed; it is polled again after that.
    pub(crate) fn change(self: Pin<&mut Self>) -> Pin<&mut F> {
        let this = self.project();
        this.bell.rung.store(true, Ordering::Release);
        this.future
    }
}

impl<F: Future> Future for Seldom<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        if !this.task.as_ref().is_some_and(|task| task.will_wake(cx.waker())) {
            this.bell.set_task(cx.waker());
            *this.task = Some(cx.waker().clone());
        }
        // Cleared before the poll, so that what wakes the future meanwhile counts.
        if !this.bell.rung.load(Ordering::Relaxed) || !this.bell.rung.swap(false, Ordering::AcqRel)
        {
            return Poll::Pending;
        }
        this.future.poll(&mut Context::from_waker(this.ring))
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::task::Waker;

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn it_is_polled_when_it_was_woken_and_not_otherwise() {
        let notify = Notify::new();
        let mut polls = 0;
        let mut notified = pin!(notify.notified());
        let mut seldom = pin!(Seldom::new(poll_fn(|cx| {
            polls += 1;
            notified.as_mut().poll(cx).map(|()| polls)
        })));
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..5 {
            assert!(seldom.as_mut().poll(&mut cx).is_pending());
        }
        notify.notify_one();
        assert_eq!(seldom.as_mut().poll(&mut cx), Poll::Ready(2));
    }

    #[tokio::test]
    async fn the_task_that_polled_last_is_woken() {
        let (send, receive) = tokio::sync::oneshot::channel();
        let mut seldom = Box::pin(Seldom::new(receive));
        assert!(seldom.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        let task = tokio::spawn(seldom);
        tokio::task::yield_now().await;
        send.send(7).unwrap_or_default();
        assert_eq!(task.await.ok(), Some(Ok(7)));
    }

    #[test]
    fn what_was_changed_is_polled_again() {
        let mut seldom = pin!(Seldom::new(std::future::ready(1)));
        *seldom.as_mut().change() = std::future::ready(2);
        let polled = seldom.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert_eq!(polled, Poll::Ready(2));
    }
}
