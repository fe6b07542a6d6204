//! Windows: how much may be sent, and how much may be received (RFC 9113, section 5.2).

use super::error::Reason;
use super::frame::MAX_31;

/// What the peer lets us send. A change of its settings can make it negative (section 6.9.2).
#[derive(Clone, Copy, Debug)]
pub(super) struct SendWindow(i64);

impl SendWindow {
    pub(super) fn new(size: u32) -> Self {
        Self(i64::from(size))
    }

    /// How many bytes may be sent.
    pub(super) fn room(self) -> usize {
        usize::try_from(self.0).unwrap_or(0)
    }

    pub(super) fn take(&mut self, bytes: usize) {
        self.0 -= bytes as i64;
    }

    /// Changes by what the peer says; above the largest that a window can be is an error.
    pub(super) fn change(&mut self, by: i64) -> Result<(), Reason> {
        self.0 += by;
        match self.0 > i64::from(MAX_31) {
            true => Err(Reason::FLOW_CONTROL_ERROR),
            false => Ok(()),
        }
    }
}

/// What we let the peer send.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReceiveWindow {
    size: u32,
    /// What the peer may still send.
    left: u32,
    /// What is used up, and the peer has not been told yet that it may send as much again.
    used: u32,
}

impl ReceiveWindow {
    pub(super) fn new(size: u32) -> Self {
        Self { size, left: size, used: 0 }
    }

    /// The peer has sent so much.
    pub(super) fn take(&mut self, bytes: usize) -> Result<(), Reason> {
        let left = u32::try_from(bytes).ok().and_then(|bytes| self.left.checked_sub(bytes));
        self.left = left.ok_or(Reason::FLOW_CONTROL_ERROR)?;
        Ok(())
    }

    /// So much of it is used up. Gives what the peer is to be told, once that is half of the
    /// window: each time would be a frame for a frame.
    pub(super) fn give_back(&mut self, bytes: usize) -> Option<u32> {
        self.used = self.used.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
        if self.used < self.size / 2 {
            return None;
        }
        let back = std::mem::take(&mut self.used);
        self.left = self.left.saturating_add(back);
        Some(back)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_window_is_given_back_by_halves_and_never_exceeded() {
        let mut window = ReceiveWindow::new(100);
        window.take(60).unwrap();
        assert_eq!(window.give_back(49), None);
        assert_eq!(window.give_back(1), Some(50));
        assert_eq!(window.take(91), Err(Reason::FLOW_CONTROL_ERROR));
        window.take(90).unwrap();
        window.take(0).unwrap();
        assert_eq!(window.take(1), Err(Reason::FLOW_CONTROL_ERROR));
    }

    #[test]
    fn a_send_window_may_be_negative_but_not_too_large() {
        let mut window = SendWindow::new(10);
        window.take(10);
        window.change(-5).unwrap();
        assert_eq!(window.room(), 0);
        window.change(6).unwrap();
        assert_eq!(window.room(), 1);
        assert_eq!(window.change(i64::from(MAX_31)), Err(Reason::FLOW_CONTROL_ERROR));
    }
}
