//! Inputs: samples of a format, changed as a careless or hostile sender would.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::BoxedStrategy;

/// Pieces that parsers stumble over.
const PIECES: &[&[u8]] = &[
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b",",
    b";",
    b"=",
    b"&",
    b"-",
    b".",
    b"/",
    b"*",
    b"'",
    b" ",
    b"\t",
    b"\r\n",
    b"\n",
    b"\0",
    b"\x7f",
    b"\xff",
    b"\xc3",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
    "é".as_bytes(),
    "𝄞".as_bytes(),
    b"%00",
    b"%",
    b"%zz",
    b"..",
    b"null",
    b"true",
    b"0",
    b"-0",
    b"-1",
    b"1e400",
    b"NaN",
    b"inf",
    b"4294967296",
    b"9223372036854775808",
    b"18446744073709551616",
    b"\\u0000",
    b"\\ud800",
    b"\"\":",
    b"{}",
    b"[]",
    b"/*",
    b"//",
    b"<!--",
    b"W/",
    b"q=",
    b"bytes=",
    b"ms",
    b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
];

/// One change. Places are taken modulo the length.
#[derive(Clone, Debug)]
enum Edit {
    Flip(usize, u8),
    Set(usize, u8),
    Insert(usize, &'static [u8]),
    Remove(usize, usize),
    Repeat(usize, usize, usize),
    Move(usize, usize, usize),
    Splice(usize, &'static [u8], usize),
}

impl Edit {
    fn apply(&self, text: &mut Vec<u8>) {
        let place = |at: usize| if text.is_empty() { 0 } else { at % text.len() };
        let part = |at: usize, length: usize| place(at)..text.len().min(place(at) + length);
        match *self {
            Edit::Flip(at, bit) => {
                let at = place(at);
                text.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << bit);
            }
            Edit::Set(at, new) => {
                let at = place(at);
                text.iter_mut().skip(at).take(1).for_each(|byte| *byte = new);
            }
            Edit::Insert(at, piece) => {
                let at = at % (text.len() + 1);
                text.splice(at..at, piece.iter().copied());
            }
            Edit::Remove(at, length) => drop(text.drain(part(at, length))),
            Edit::Repeat(at, length, times) => {
                let piece = text[part(at, length)].repeat(times);
                let at = place(at);
                text.splice(at..at, piece);
            }
            Edit::Move(from, length, to) => {
                let range = part(from, length);
                let piece: Vec<u8> = text.drain(range).collect();
                let to = to % (text.len() + 1);
                text.splice(to..to, piece);
            }
            Edit::Splice(at, other, from) => {
                text.truncate(place(at));
                text.extend_from_slice(&other[from % (other.len() + 1)..]);
            }
        }
    }
}

fn edit(samples: &'static [&'static [u8]]) -> impl Strategy<Value = Edit> {
    let (at, length) = (0..4_096usize, 1..24usize);
    prop_oneof![
        2 => (at.clone(), 0..8u8).prop_map(|(at, bit)| Edit::Flip(at, bit)),
        1 => (at.clone(), any::<u8>()).prop_map(|(at, new)| Edit::Set(at, new)),
        4 => (at.clone(), select(PIECES)).prop_map(|(at, piece)| Edit::Insert(at, piece)),
        2 => (at.clone(), length.clone()).prop_map(|(at, length)| Edit::Remove(at, length)),
        1 => (at.clone(), length.clone(), 1..300usize).prop_map(|(at, length, times)| Edit::Repeat(at, length, times)),
        1 => (at.clone(), length, at.clone()).prop_map(|(from, length, to)| Edit::Move(from, length, to)),
        2 => (at.clone(), select(samples), at).prop_map(|(at, other, from)| Edit::Splice(at, other, from)),
    ]
}

/// `samples` as they are, changed a little or a lot, and now and then nothing but noise.
pub fn bytes(samples: &[&[u8]]) -> BoxedStrategy<Vec<u8>> {
    // Kept for good: a target has a few hundred bytes of them, and its process ends with it.
    let samples: Vec<&'static [u8]> = samples.iter().map(|sample| &*sample.to_vec().leak()).collect();
    let samples: &'static [&'static [u8]] = samples.leak();
    let changed = (select(samples), vec(edit(samples), 0..8)).prop_map(|(sample, edits)| {
        let mut text = sample.to_vec();
        edits.iter().for_each(|edit| edit.apply(&mut text));
        text
    });
    prop_oneof![9 => changed, 1 => vec(any::<u8>(), 0..64)].boxed()
}

/// As [`bytes`], where only text can come in.
pub fn texts(samples: &[&str]) -> BoxedStrategy<String> {
    let samples: Vec<&[u8]> = samples.iter().map(|sample| sample.as_bytes()).collect();
    bytes(&samples).prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).boxed()
}
