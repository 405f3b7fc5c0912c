//! Log lines on their way out: a request puts its line into a buffer, a thread writes what has gathered. So
//! no request waits for a pipe, and under load many lines share one write. A line waits for [`GATHER`] at
//! most; nothing is dropped: over [`MOST`] bytes whoever logs waits for the thread.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// How long the first line of a write waits for others.
const GATHER: Duration = Duration::from_millis(5);
/// From here on, bytes are written at once.
const MANY: usize = 64 * 1024;
/// The most bytes that wait.
const MOST: usize = 1024 * 1024;

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    /// Something came, or the end did.
    filled: Condvar,
    /// Everything that waited was taken.
    taken: Condvar,
}

#[derive(Default)]
struct Waiting {
    bytes: Vec<u8>,
    closed: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // nothing can panic while it is held
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, line: &[u8]) {
        let mut waiting = self.lock();
        while waiting.bytes.len() >= MOST && !waiting.closed {
            waiting = self.taken.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        if waiting.closed {
            drop(waiting);
            // the thread has ended; what is told after that goes out by itself
            let _ = io::stderr().write_all(line);
            return;
        }
        let before = waiting.bytes.len();
        waiting.bytes.extend_from_slice(line);
        // waking a thread costs more than the line: only the first line does, and the one that is too much
        if before == 0 || (before < MANY && waiting.bytes.len() >= MANY) {
            drop(waiting);
            self.filled.notify_one();
        }
    }

    /// Writes until it is closed and everything is out.
    fn write_all(&self, out: &mut impl Write) {
        let mut buffer = Vec::new();
        loop {
            let waiting = self.lock();
            let waiting = self
                .filled
                .wait_while(waiting, |w| w.bytes.is_empty() && !w.closed)
                .unwrap_or_else(PoisonError::into_inner);
            let (mut waiting, _) = self
                .filled
                .wait_timeout_while(waiting, GATHER, |w| w.bytes.len() < MANY && !w.closed)
                .unwrap_or_else(PoisonError::into_inner);
            std::mem::swap(&mut buffer, &mut waiting.bytes);
            let ended = waiting.closed && buffer.is_empty();
            drop(waiting);
            self.taken.notify_all();
            if ended {
                return;
            }
            // nobody can be told that standard error is gone
            let _ = out.write_all(&buffer);
            buffer.clear();
            // a burst's memory is not kept
            buffer.shrink_to(MANY);
        }
    }
}

/// Where lines go. Made once; clones share the buffer.
#[derive(Clone, Default)]
pub struct Lines(Arc<Shared>);

impl Lines {
    /// Starts the thread that writes; dropping what is returned writes the rest and ends it.
    ///
    /// # Errors
    /// When the thread cannot start.
    pub fn start(out: impl Write + Send + 'static) -> io::Result<(Self, Flush)> {
        let lines = Self::default();
        let (shared, mut out) = (lines.0.clone(), out);
        let thread = std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || shared.write_all(&mut out))?;
        let flush = Flush {
            lines: lines.clone(),
            thread: Some(thread),
        };
        Ok((lines, flush))
    }
}

impl Write for &Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.put(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

/// Writes what still waits when it is dropped.
#[must_use]
pub struct Flush {
    lines: Lines,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Flush {
    fn drop(&mut self) {
        self.lines.0.lock().closed = true;
        self.lines.0.filled.notify_all();
        self.lines.0.taken.notify_all();
        if let Some(thread) = self.thread.take() {
            // it cannot panic, and at the end there is nothing left to do about it
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shows what was written, and how often.
    #[derive(Clone, Default)]
    struct Out(Arc<Mutex<(Vec<u8>, usize)>>);

    impl Write for Out {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut seen = self.0.lock().unwrap();
            seen.0.extend_from_slice(bytes);
            seen.1 += 1;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn nothing_is_lost_at_the_end_and_lines_stay_whole() {
        let out = Out::default();
        let (lines, flush) = Lines::start(out.clone()).unwrap();
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                let lines = lines.clone();
                std::thread::spawn(move || {
                    for number in 0..10_000 {
                        let line = format!("{writer} {number} {}\n", "x".repeat(100));
                        (&lines).write_all(line.as_bytes()).unwrap();
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.join().unwrap();
        }
        drop(flush);
        let (bytes, writes) = &*out.0.lock().unwrap();
        let text = std::str::from_utf8(bytes).unwrap();
        let mut next = [0; 4];
        for line in text.lines() {
            let mut parts = line.split(' ');
            let writer: usize = parts.next().unwrap().parse().unwrap();
            assert_eq!(
                parts.next().unwrap().parse::<usize>().unwrap(),
                next[writer],
                "in order"
            );
            assert_eq!(parts.next().unwrap().len(), 100);
            next[writer] += 1;
        }
        assert_eq!(next, [10_000; 4]);
        assert!(*writes < 20_000, "lines share writes: {writes}");
    }

    #[test]
    fn a_single_line_comes_out_by_itself() {
        let (sender, receiver) = std::sync::mpsc::channel();
        struct Tell(std::sync::mpsc::Sender<Vec<u8>>);
        impl Write for Tell {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.send(bytes.to_vec()).map_err(io::Error::other)?;
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (lines, _flush) = Lines::start(Tell(sender)).unwrap();
        (&lines).write_all(b"one\n").unwrap();
        assert_eq!(receiver.recv_timeout(Duration::from_secs(10)).unwrap(), b"one\n");
        (&lines).write_all(b"two\n").unwrap();
        assert_eq!(receiver.recv_timeout(Duration::from_secs(10)).unwrap(), b"two\n");
    }
}
