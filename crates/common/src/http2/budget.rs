//! What a peer may do that is of no use to it, but costs us, before it counts as an attack.
//!
//! A stream that is opened and reset before it was even looked at (CVE-2023-44487), one above the
//! limit, one that is an error, a frame of data without data: each happens to clients that mean
//! well, now and then. What is of use pays it back.

use super::error::Reason;

const MOST: u32 = 1000;

#[derive(Debug, Default)]
pub(super) struct Budget(u32);

impl Budget {
    /// The peer did what is of no use.
    ///
    /// # Errors
    /// It did so too often.
    pub(super) fn spend(&mut self) -> Result<(), Reason> {
        self.0 += 1;
        match self.0 > MOST {
            true => Err(Reason::ENHANCE_YOUR_CALM),
            false => Ok(()),
        }
    }

    /// It did what is.
    pub(super) fn earn(&mut self) {
        self.0 = self.0.saturating_sub(1);
    }
}
