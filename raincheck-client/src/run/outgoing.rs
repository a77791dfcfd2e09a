//! What a run has written and its worker has not sent yet: in order, in little memory, and never cut in silence.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// One request carries at most so many bytes.
pub(super) const REQUEST_MAX: usize = 256 * 1024;
/// Who can wait does so from so many bytes on.
const AHEAD_MAX: usize = 2 * REQUEST_MAX;
/// A log whose writer does not wait is cut from so many bytes on.
const LOG_AHEAD_MAX: usize = 2 * AHEAD_MAX;
/// So much of the end of a log that is over its limit is kept, here in memory, until the run ends; in bytes.
const END_MAX: u64 = 1024 * 1024;
/// An end begins with a whole line if there is one so near; in bytes.
const LINE_MAX: usize = 4 * 1024;
/// The line that stands for what is missing is never longer; in bytes.
const GAP_MAX: usize = 64;

/// A stream is kept up to its limit, and then it is over. A log keeps its beginning and its end, and between them says
/// how much is missing.
pub(super) struct Outgoing {
    queue: BytesMut,
    /// The latest bytes of a log that found no place in the queue.
    end: VecDeque<u8>,
    /// Bytes between the queue and the end that are lost.
    left_out: u64,
    /// Bytes that have been put into the queue.
    queued: u64,
    /// Most bytes that the server takes of this run.
    most: u64,
    /// So many of them are for the end; none of a stream.
    reserve: u64,
    /// The last byte that was put into the queue ends a line.
    at_line_start: bool,
    closed: bool,
}

impl Outgoing {
    pub(super) fn stream(most: u64) -> Self {
        Self {
            queue: BytesMut::new(),
            end: VecDeque::new(),
            left_out: 0,
            queued: 0,
            most,
            reserve: 0,
            at_line_start: true,
            closed: false,
        }
    }

    pub(super) fn log(most: u64) -> Self {
        Self { reserve: reserve(most), ..Self::stream(most) }
    }

    /// The server takes less of a log than was thought, or more.
    pub(super) fn set_most(&mut self, most: u64) {
        (self.most, self.reserve) = (most, reserve(most));
        let over = usize::try_from(self.queued.saturating_sub(self.share())).unwrap_or(usize::MAX);
        if over > 0 {
            let back = self.queue.split_off(self.queue.len().saturating_sub(over));
            self.queued -= back.len() as u64;
            self.at_line_start = self.queue.last() == Some(&b'\n');
            let later = std::mem::take(&mut self.end);
            self.keep_end(&back);
            self.keep_end(&Vec::from(later));
        }
    }

    /// Takes all of it, if need be to leave it out. Who can wait asks [`Outgoing::is_ready`] first.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        if self.closed {
            return;
        }
        let room = if self.has_end() { 0 } else { self.room().min(bytes.len()) };
        let (now, later) = bytes.split_at(room);
        self.put(now);
        self.keep_end(later);
    }

    /// Whether there is no use in waiting before more is written.
    pub(super) fn is_ready(&self) -> bool {
        self.closed || self.has_end() || self.queued >= self.share() || self.queue.len() < AHEAD_MAX
    }

    /// What is to be sent next.
    pub(super) fn next(&mut self) -> Option<Bytes> {
        // A log that was only faster than the server goes on as soon as there is room.
        let fits = self.end.len() as u64 + GAP_MAX as u64 <= self.share().saturating_sub(self.queued);
        if self.queue.is_empty() && self.reserve > 0 && self.has_end() && (self.closed || fits) {
            self.put_end();
        }
        let length = self.queue.len().min(REQUEST_MAX);
        (length > 0).then(|| self.queue.split_to(length).freeze())
    }

    /// A whole request is there, or nothing more comes.
    pub(super) fn is_worth_sending(&self) -> bool {
        self.closed || self.queue.len() >= REQUEST_MAX
    }

    /// Nothing more is taken.
    pub(super) fn close(&mut self) {
        self.closed = true;
    }

    pub(super) fn most(&self) -> u64 {
        self.most
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Bytes that are lost and not spoken of in what was sent.
    pub(super) fn left_out(&self) -> u64 {
        self.left_out
    }

    fn has_end(&self) -> bool {
        self.left_out > 0 || !self.end.is_empty()
    }

    /// What of all may be sent as it comes.
    fn share(&self) -> u64 {
        self.most - self.reserve
    }

    fn room(&self) -> usize {
        let share = usize::try_from(self.share().saturating_sub(self.queued)).unwrap_or(usize::MAX);
        let ahead = if self.reserve > 0 { LOG_AHEAD_MAX.saturating_sub(self.queue.len()) } else { usize::MAX };
        share.min(ahead)
    }

    fn put(&mut self, bytes: &[u8]) {
        if let Some(last) = bytes.last() {
            self.at_line_start = *last == b'\n';
            self.queue.extend_from_slice(bytes);
            self.queued += bytes.len() as u64;
        }
    }

    /// Keeps the last of it, and of what was kept before.
    fn keep_end(&mut self, bytes: &[u8]) {
        let room = usize::try_from(self.reserve).unwrap_or(usize::MAX);
        let (lost, kept) = bytes.split_at(bytes.len().saturating_sub(room));
        let excess = (self.end.len() + kept.len()).saturating_sub(room);
        self.end.drain(..excess);
        self.end.extend(kept);
        self.left_out += (lost.len() + excess) as u64;
    }

    /// Puts the end into the queue, behind a line that says what is missing.
    fn put_end(&mut self) {
        let room = usize::try_from(self.most.saturating_sub(self.queued)).unwrap_or(usize::MAX);
        let mut end = Vec::from(std::mem::take(&mut self.end));
        if self.left_out > 0 || end.len() > room {
            if room < GAP_MAX {
                self.left_out += end.len() as u64;
                return;
            }
            let mut cut = end.len().saturating_sub(room - GAP_MAX);
            let line = end[cut..].iter().take(LINE_MAX).position(|byte| *byte == b'\n');
            if let Some(line) = line.filter(|line| cut + line + 1 < end.len()) {
                cut += line + 1;
            }
            self.left_out += cut as u64;
            end.drain(..cut);
            let before = if self.at_line_start { "" } else { "\n" };
            self.put(format!("{before}[… {} bytes left out …]\n", self.left_out).as_bytes());
        }
        self.put(&end);
        self.left_out = 0;
    }
}

fn reserve(most: u64) -> u64 {
    END_MAX.min(most / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(from: u32, to: u32) -> Vec<u8> {
        (from..to).flat_map(|line| format!("line {line}\n").into_bytes()).collect()
    }

    /// All that is sent once nothing more comes.
    fn rest(outgoing: &mut Outgoing) -> Vec<u8> {
        outgoing.close();
        std::iter::from_fn(|| outgoing.next()).flatten().collect()
    }

    /// The bytes that a log says are missing.
    fn missing(log: &str) -> usize {
        let (_, after) = log.split_once("[… ").expect("a gap");
        after.split_once(" bytes left out …]\n").expect("a gap").0.parse().unwrap()
    }

    #[test]
    fn all_is_kept_up_to_the_limit() {
        for size in [0, 1, 1_023, 1_024, 1_025, 2_047, 2_048] {
            let written: Vec<u8> = (0..size).map(|n: u32| n as u8).collect();
            for piece in [1, 7, 1_000, 5_000] {
                let (mut outgoing, mut sent) = (Outgoing::log(2_048), Vec::new());
                for piece in written.chunks(piece) {
                    outgoing.push(piece);
                    sent.extend(outgoing.next().into_iter().flatten());
                }
                sent.extend(rest(&mut outgoing));
                assert!(sent == written && outgoing.left_out() == 0, "{size} bytes in pieces of {piece}");
            }
        }
    }

    #[test]
    fn a_gap_has_a_line_of_its_own_where_the_beginning_is_cut_back_within_one() {
        for most in 1_000..1_010 {
            let mut outgoing = Outgoing::log(100_000);
            outgoing.push(&lines(0, 1_000));
            outgoing.set_most(most);
            let log = String::from_utf8(rest(&mut outgoing)).unwrap();
            assert!(log.lines().any(|line| line.starts_with("[… ") && line.ends_with(" bytes left out …]")), "{log}");
        }
    }

    #[test]
    fn a_log_over_its_limit_keeps_its_beginning_and_end_and_says_the_gap() {
        for piece in [3, 100, 9_000, 1 << 20] {
            let (written, most) = (lines(0, 100_000), 10_000);
            let (mut outgoing, mut sent) = (Outgoing::log(most), Vec::new());
            for piece in written.chunks(piece) {
                outgoing.push(piece);
                sent.extend(outgoing.next().into_iter().flatten());
            }
            sent.extend(rest(&mut outgoing));
            let log = String::from_utf8(sent).unwrap();
            assert!(log.len() as u64 <= most && log.len() as u64 > most - 100, "{}", log.len());
            assert!(log.starts_with("line 0\nline 1\n") && log.ends_with("line 99998\nline 99999\n"));
            let gap = format!("[… {} bytes left out …]\n", missing(&log));
            assert_eq!(log.lines().filter(|line| !line.starts_with("line ")).count(), 1, "the end begins with a line");
            let kept = log.len() - gap.len();
            assert!(
                kept + missing(&log) - written.len() <= 1,
                "what is missing is counted: a line may be ended for it"
            );
        }
    }

    #[test]
    fn a_log_that_is_only_too_fast_goes_on_when_there_is_room() {
        let mut outgoing = Outgoing::log(1 << 30);
        let written = lines(0, 500_000);
        outgoing.push(&written);
        assert!(outgoing.is_ready(), "there is no use in waiting for what is lost");
        let sent: Vec<u8> = std::iter::from_fn(|| outgoing.next()).flatten().collect();
        outgoing.push(b"and on\n");
        let log = String::from_utf8([sent, rest(&mut outgoing)].concat()).unwrap();
        assert!(log.starts_with("line 0\n") && log.ends_with("line 499999\nand on\n"));
        assert!(missing(&log) > 1 << 20);
    }

    #[test]
    fn who_can_wait_loses_nothing() {
        let (mut outgoing, written, mut sent) = (Outgoing::log(1 << 30), lines(0, 500_000), Vec::new());
        for piece in written.chunks(16_000) {
            while !outgoing.is_ready() {
                sent.extend(outgoing.next().unwrap());
            }
            outgoing.push(piece);
        }
        sent.extend(rest(&mut outgoing));
        assert!(sent == written);
    }

    #[test]
    fn a_limit_that_turns_out_smaller_holds() {
        let mut outgoing = Outgoing::log(1 << 20);
        outgoing.push(&lines(0, 2_000));
        outgoing.set_most(1_000);
        outgoing.push(&lines(2_000, 2_100));
        let log = String::from_utf8(rest(&mut outgoing)).unwrap();
        assert!(log.len() <= 1_000 && log.starts_with("line 0\n") && log.ends_with("line 2099\n"), "{log}");
        assert!(missing(&log) > 10_000);

        let mut none = Outgoing::log(1 << 20);
        none.push(b"something");
        none.set_most(0);
        assert_eq!((rest(&mut none).len(), none.left_out()), (0, 9), "what cannot be said is known");
    }

    #[test]
    fn a_stream_is_whole_up_to_its_limit() {
        let mut outgoing = Outgoing::stream(1_000);
        outgoing.push(&[1; 600]);
        outgoing.push(&[2; 400]);
        assert_eq!(outgoing.left_out(), 0);
        outgoing.push(&[3; 1]);
        assert_eq!(outgoing.left_out(), 1);
        assert_eq!(rest(&mut outgoing), [[1; 600].as_slice(), &[2; 400]].concat());
    }
}
