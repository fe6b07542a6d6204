//! Takes log lines off the threads that serve calls.
//!
//! A pipe that nobody reads blocks whoever writes to it. So lines go through a bounded queue to a
//! thread; when the queue is full they are dropped, counted, and the loss is logged.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use tracing::warn;
use tracing_subscriber::fmt::MakeWriter;

/// Lines that may wait.
const MAX_LINES: usize = 16 * 1024;
/// Bytes that may wait.
const MAX_BYTES: usize = 8 * 1024 * 1024;
/// What is written at once, about.
const BATCH_BYTES: usize = 64 * 1024;

/// The end of the queue that lines go into.
#[derive(Clone, Debug)]
pub(super) struct LineWriter {
    jobs: SyncSender<Job>,
    pressure: Arc<Pressure>,
}

#[derive(Debug)]
enum Job {
    Line(Vec<u8>),
    /// Answered when everything before it is written.
    Flush(SyncSender<()>),
}

#[derive(Debug, Default)]
struct Pressure {
    waiting_bytes: AtomicUsize,
    dropped_lines: AtomicU64,
}

impl LineWriter {
    /// Starts the thread that writes to `out`.
    pub(super) fn start(out: impl Write + Send + 'static) -> io::Result<Self> {
        let (jobs, queue) = sync_channel(MAX_LINES);
        let pressure = Arc::<Pressure>::default();
        let shared = Arc::clone(&pressure);
        thread::Builder::new()
            .name("ahoy-log".into())
            .spawn(move || write(&queue, out, &shared))?;
        Ok(Self { jobs, pressure })
    }

    /// Waits until all lines so far are written, at most for `limit`.
    pub(super) fn flush(&self, limit: Duration) {
        const RETRY: Duration = Duration::from_millis(5);
        let deadline = Instant::now() + limit;
        let (done, written) = sync_channel(1);
        let mut job = Job::Flush(done);
        while let Err(TrySendError::Full(back)) = self.jobs.try_send(job) {
            if Instant::now() >= deadline {
                return;
            }
            job = back;
            thread::sleep(RETRY);
        }
        // An error is the limit, or a thread that is gone: nothing is left to do in both cases.
        let _ = written.recv_timeout(deadline.saturating_duration_since(Instant::now()));
    }

    fn push(&self, line: &[u8]) {
        let waiting = self.pressure.waiting_bytes.fetch_add(line.len(), Relaxed);
        let fits = waiting + line.len() <= MAX_BYTES;
        if !fits || self.jobs.try_send(Job::Line(line.to_vec())).is_err() {
            self.pressure.waiting_bytes.fetch_sub(line.len(), Relaxed);
            self.pressure.dropped_lines.fetch_add(1, Relaxed);
        }
    }
}

impl<'a> MakeWriter<'a> for LineWriter {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> &'a Self {
        self
    }
}

impl Write for &LineWriter {
    /// Takes `line` whole; the subscriber writes a line at once.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn write(queue: &Receiver<Job>, mut out: impl Write, pressure: &Pressure) {
    let mut batch = Vec::with_capacity(BATCH_BYTES);
    while let Ok(job) = queue.recv() {
        let mut next = Some(job);
        let mut flushed = None;
        while let Some(job) = next.take() {
            match job {
                Job::Line(line) => batch.extend_from_slice(&line),
                Job::Flush(done) => flushed = Some(done),
            }
            if batch.len() < BATCH_BYTES && flushed.is_none() {
                next = queue.try_recv().ok();
            }
        }
        // There is no place to report that the place for reports is broken.
        let _ = out.write_all(&batch).and_then(|()| out.flush());
        pressure.waiting_bytes.fetch_sub(batch.len(), Relaxed);
        batch.clear();
        if let Some(done) = flushed {
            let _ = done.send(());
        }
        let lines = pressure.dropped_lines.swap(0, Relaxed);
        if lines > 0 {
            warn!(lines, "dropped log lines, because the log is read too slowly");
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

    use std::sync::Mutex;
    use std::sync::mpsc::{Sender, channel};

    use super::*;

    /// Blocks in each write until it is told to go on.
    struct Gate(Receiver<()>, Arc<Mutex<Vec<u8>>>);

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            self.1.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn gated() -> (LineWriter, Sender<()>, Arc<Mutex<Vec<u8>>>) {
        let (open, gate) = channel();
        let written = Arc::default();
        let writer = LineWriter::start(Gate(gate, Arc::clone(&written))).unwrap();
        (writer, open, written)
    }

    #[test]
    fn what_was_logged_before_a_flush_is_written_after_it() {
        let (writer, open, written) = gated();
        drop(open);
        (&writer).write_all(b"one\n").unwrap();
        (&writer).write_all(b"two\n").unwrap();
        writer.flush(Duration::from_secs(60));
        assert_eq!(*written.lock().unwrap(), b"one\ntwo\n");
    }

    #[test]
    fn a_writer_that_is_stuck_blocks_nobody_and_memory_is_bounded() {
        let (writer, open, _) = gated();
        let line = vec![b'x'; 1024 * 1024];
        for _ in 0..100 {
            (&writer).write_all(&line).unwrap();
        }
        assert!(writer.pressure.waiting_bytes.load(Relaxed) <= MAX_BYTES);
        assert!(writer.pressure.dropped_lines.load(Relaxed) >= 90);
        drop(open);
        writer.flush(Duration::from_secs(60));
        assert_eq!(writer.pressure.waiting_bytes.load(Relaxed), 0);
    }
}
