//! Damages real texts.

use proptest::prelude::*;
use proptest::sample::{Index, select};

/// Pieces inserted into texts: tokens with a meaning in YAML, JSON and lines.
const PIECES: &[&str] = &[
    "\0",
    "\t",
    "\r",
    "\r\n",
    "\n",
    "\n\n",
    " ",
    "  ",
    "\u{feff}",
    "\u{1b}[2J",
    "\u{7f}",
    "\u{85}",
    "\u{9b}31m",
    "\u{2028}",
    "\u{202e}",
    "\u{fffd}",
    "\u{10ffff}",
    "é",
    "[",
    "]",
    "{",
    "}",
    "[[[[[[[[",
    "{a: {a: {a: ",
    "- - - ",
    "? ",
    ": ",
    ":",
    ",",
    "-",
    "---\n",
    "...\n",
    "%YAML 9.9\n",
    "&a ",
    "*a",
    "<<: *a\n",
    "!!binary ",
    "!!set ",
    "!x ",
    "|",
    ">",
    "|9\n",
    "\"",
    "'",
    "\\",
    "\\ud800",
    "\\u0000",
    "#",
    "`",
    "@",
    "~",
    "null",
    "true",
    "0",
    "-1",
    "1e999",
    "0x7fffffffffffffff",
    "99999999999999999999",
    ".nan",
    ".inf",
    "<nil>",
    "=",
    "a=b",
    "%s",
    "$(id)",
    "../../",
    "2038-01-19",
    "v1.2.3-rc.1+x",
    "1.2.3.4",
    "::1",
    "255.255.255.256",
];

#[derive(Debug, Clone)]
enum Damage {
    Byte(Index, u8),
    Piece(Index, &'static str),
    Repeat(Index, &'static str, usize),
    Cut(Index, usize),
    End(Index),
    DoubleLine(Index, usize),
    SwapLines(Index, Index),
    Newlines(&'static str),
}

fn damage() -> impl Strategy<Value = Damage> {
    let at = any::<Index>;
    prop_oneof![
        4 => (at(), any::<u8>()).prop_map(|(at, byte)| Damage::Byte(at, byte)),
        6 => (at(), select(PIECES)).prop_map(|(at, piece)| Damage::Piece(at, piece)),
        1 => (at(), select(PIECES), 1usize..200).prop_map(|(at, piece, times)| Damage::Repeat(at, piece, times)),
        3 => (at(), 0usize..60).prop_map(|(at, length)| Damage::Cut(at, length)),
        1 => at().prop_map(Damage::End),
        2 => (at(), 1usize..20).prop_map(|(at, times)| Damage::DoubleLine(at, times)),
        2 => (at(), at()).prop_map(|(a, b)| Damage::SwapLines(a, b)),
        1 => select(&["\r\n", "\r", "\n\n", "\n\t"][..]).prop_map(Damage::Newlines),
    ]
}

impl Damage {
    fn apply(&self, text: &mut Vec<u8>) {
        let place = |at: &Index| at.index(text.len() + 1);
        match self {
            Self::Byte(at, byte) => {
                let at = place(at);
                if let Some(old) = text.get_mut(at) {
                    *old = *byte;
                }
            }
            Self::Piece(at, piece) => insert(text, place(at), piece, 1),
            Self::Repeat(at, piece, times) => insert(text, place(at), piece, *times),
            Self::Cut(at, length) => {
                let at = place(at);
                let end = (at + length).min(text.len());
                text.drain(at..end);
            }
            Self::End(at) => text.truncate(place(at)),
            Self::DoubleLine(at, times) => lines(text, |lines| {
                let line = lines[at.index(lines.len())].clone();
                let at = at.index(lines.len());
                lines.splice(at..at, vec![line; *times]);
            }),
            Self::SwapLines(a, b) => lines(text, |lines| {
                let (a, b) = (a.index(lines.len()), b.index(lines.len()));
                lines.swap(a, b);
            }),
            Self::Newlines(newline) => {
                let parts: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
                *text = parts.join(newline.as_bytes());
            }
        }
    }
}

fn insert(text: &mut Vec<u8>, at: usize, piece: &str, times: usize) {
    text.splice(at..at, piece.repeat(times).into_bytes());
}

fn lines(text: &mut Vec<u8>, change: impl FnOnce(&mut Vec<Vec<u8>>)) {
    let mut lines: Vec<Vec<u8>> = text
        .split(|byte| *byte == b'\n')
        .map(<[u8]>::to_vec)
        .collect();
    change(&mut lines);
    *text = lines.join(&b'\n');
}

/// One of the texts with up to twelve damages of any kind at any place. It may not be UTF-8.
pub fn damaged(texts: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    (select(texts), prop::collection::vec(damage(), 0..12)).prop_map(|(text, damages)| {
        let mut text = text.as_bytes().to_vec();
        for damage in damages {
            damage.apply(&mut text);
        }
        text
    })
}
