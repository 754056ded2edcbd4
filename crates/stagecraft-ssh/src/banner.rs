//! Filters banners that are not UTF-8.
//!
//! The library ends a session over a banner (`SSH_MSG_USERAUTH_BANNER`) of another encoding before
//! it passes the text on, and servers send theirs at every login. For such a server the stream
//! below the library is decrypted here until the login is decided: banners are recorded and
//! replaced by the message without effect (`SSH_MSG_IGNORE`). Anything not understood here passes
//! unchanged, so that the library judges it.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use ring::aead::chacha20_poly1305_openssh as chacha;
use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use russh::keys::ssh_key::sha2::digest::Digest;
use russh::keys::ssh_key::sha2::{Sha256, Sha384, Sha512};
use russh::{Names, cipher, kex};
use secrecy::zeroize::Zeroizing;

/// The largest packet that the library accepts.
const PACKET_LIMIT: usize = 300 * 1024;
/// Limit of the text before the server's version.
const GREETING_LIMIT: usize = 64 * 1024;
const TAG: usize = 16;
/// Message numbers (RFC 4250).
const IGNORE: u8 = 2;
const NEWKEYS: u8 = 21;
const USERAUTH_SUCCESS: u8 = 52;
const USERAUTH_BANNER: u8 = 53;

/// The shared secret after the key exchange.
pub(crate) struct Secret {
    exchange: kex::Name,
    cipher: cipher::Name,
    is_strict: bool,
    shared: Zeroizing<Vec<u8>>,
}

impl Secret {
    pub(crate) fn new(names: &Names, shared: &[u8]) -> Self {
        Self {
            exchange: names.kex,
            cipher: names.cipher,
            is_strict: names.strict_kex(),
            shared: Zeroizing::new(shared.to_vec()),
        }
    }

    /// Derives the keys of the server's packets (RFC 4253, section 7.2); `None` for algorithms that
    /// are not known here.
    fn opener(&self, session: &[u8]) -> Option<Opener> {
        let hash: fn(&[&[u8]]) -> Vec<u8> = match self.exchange {
            kex::ECDH_SHA2_NISTP384 => hashed::<Sha384>,
            kex::ECDH_SHA2_NISTP521
            | kex::DH_G15_SHA512
            | kex::DH_G16_SHA512
            | kex::DH_G17_SHA512
            | kex::DH_G18_SHA512 => hashed::<Sha512>,
            kex::CURVE25519
            | kex::CURVE25519_PRE_RFC_8731
            | kex::ECDH_SHA2_NISTP256
            | kex::DH_GEX_SHA256
            | kex::DH_G14_SHA256 => hashed::<Sha256>,
            _ => return None,
        };
        let shared = mpint(&self.shared);
        let derive = |letter: u8, length: usize| {
            let mut key = Zeroizing::new(hash(&[&shared, session, &[letter], session]));
            while key.len() < length {
                let more = Zeroizing::new(hash(&[&shared, session, &key]));
                key.extend_from_slice(&more);
            }
            key.truncate(length);
            key
        };
        let gcm = |algorithm, length| {
            let key = UnboundKey::new(algorithm, &derive(b'D', length)).ok()?;
            let nonce = derive(b'B', 12).as_slice().try_into().ok()?;
            Some(Opener::Gcm(Box::new(LessSafeKey::new(key)), nonce))
        };
        match self.cipher {
            cipher::CHACHA20_POLY1305 => {
                let key = derive(b'D', chacha::KEY_LEN);
                let key = key.as_slice().try_into().ok()?;
                Some(Opener::ChaCha(
                    Box::new(chacha::OpeningKey::new(key)),
                    Box::new(chacha::SealingKey::new(key)),
                ))
            }
            cipher::AES_128_GCM => gcm(&AES_128_GCM, 16),
            cipher::AES_256_GCM => gcm(&AES_256_GCM, 32),
            _ => None,
        }
    }
}

fn hashed<D: Digest>(parts: &[&[u8]]) -> Vec<u8> {
    let mut digest = D::new();
    for part in parts {
        digest.update(part);
    }
    digest.finalize().to_vec()
}

/// A number in the encoding of RFC 4251.
fn mpint(bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let bytes = &bytes[zeros..];
    let sign = usize::from(bytes.first().is_some_and(|first| first & 0x80 != 0));
    let length = u32::try_from(bytes.len() + sign).unwrap_or_default();
    let mut all = Zeroizing::new(length.to_be_bytes().to_vec());
    all.extend(std::iter::repeat_n(0, sign));
    all.extend_from_slice(bytes);
    all
}

/// The keys of the server's packets.
enum Opener {
    ChaCha(Box<chacha::OpeningKey>, Box<chacha::SealingKey>),
    Gcm(Box<LessSafeKey>, [u8; 12]),
}

impl Opener {
    /// Decodes the length at the start of a packet.
    fn length(&self, number: u32, first: [u8; 4]) -> usize {
        let length = match self {
            Self::ChaCha(key, _) => key.decrypt_packet_length(number, first),
            Self::Gcm(..) => first,
        };
        u32::from_be_bytes(length) as usize
    }

    /// Decrypts a whole packet: its length, the length of the padding, the message and the padding.
    /// `None` if its tag does not match.
    fn open(&self, number: u32, packet: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (sealed, tag) = packet.split_last_chunk::<TAG>()?;
        let length = u32::try_from(sealed.len().checked_sub(4)?)
            .ok()?
            .to_be_bytes();
        match self {
            Self::ChaCha(key, _) => {
                let mut open = Zeroizing::new(sealed.to_vec());
                key.open_in_place(number, &mut open, tag).ok()?;
                open[..4].copy_from_slice(&length);
                Some(open)
            }
            Self::Gcm(key, nonce) => {
                let mut open = Zeroizing::new(packet.to_vec());
                let nonce = Nonce::assume_unique_for_key(*nonce);
                let aad = Aad::from(length);
                key.open_in_place(nonce, aad, &mut open[4..]).ok()?;
                open.truncate(sealed.len());
                Some(open)
            }
        }
    }

    /// Encrypts a content into a packet.
    fn seal(&self, number: u32, mut open: Vec<u8>) -> Option<Vec<u8>> {
        match self {
            Self::ChaCha(_, key) => {
                let mut tag = [0; TAG];
                key.seal_in_place(number, &mut open, &mut tag);
                open.extend_from_slice(&tag);
            }
            Self::Gcm(key, nonce) => {
                let nonce = Nonce::assume_unique_for_key(*nonce);
                let (length, body) = open.split_at_mut(4);
                let tag = key
                    .seal_in_place_separate_tag(nonce, Aad::from(&*length), body)
                    .ok()?;
                open.extend_from_slice(tag.as_ref());
            }
        }
        Some(open)
    }

    /// Advances to the next packet. Must be called after each one.
    fn next(&mut self) {
        if let Self::Gcm(_, nonce) = self
            && let Some(count) = nonce.last_chunk_mut::<8>()
        {
            *count = u64::from_be_bytes(*count).wrapping_add(1).to_be_bytes();
        }
    }
}

/// The text of a banner message.
fn text_of(message: &[u8]) -> Option<&[u8]> {
    let (length, rest) = message.get(1..)?.split_first_chunk::<4>()?;
    rest.get(..u32::from_be_bytes(*length) as usize)
}

/// Receives the keys once they are known.
#[derive(Clone, Default)]
pub(crate) struct Keys(Arc<Mutex<Waiting>>);

#[derive(Default)]
struct Waiting {
    secret: Option<Secret>,
    given: Given,
    waker: Option<Waker>,
}

#[derive(Default)]
enum Given {
    #[default]
    NotYet,
    /// There are none, so everything passes.
    Nothing,
    Keys {
        opener: Opener,
        is_strict: bool,
    },
}

impl Keys {
    /// Records the result of the key exchange.
    pub(crate) fn agreed(&self, secret: Secret) {
        self.lock().secret = Some(secret);
    }

    /// Lets the stream continue with the keys of this session, or unchanged.
    pub(crate) fn give(&self, session: Option<&[u8]>) {
        let mut waiting = self.lock();
        let secret = waiting.secret.take();
        let keys = secret.zip(session).and_then(|(secret, session)| {
            Some(Given::Keys {
                opener: secret.opener(session)?,
                is_strict: secret.is_strict,
            })
        });
        waiting.given = keys.unwrap_or(Given::Nothing);
        if let Some(waker) = waiting.waker.take() {
            waker.wake();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Stage of the stream.
enum Stage {
    /// Lines up to the version.
    Greeting,
    /// Packets that are not encrypted yet.
    Clear,
    /// The next packet is encrypted.
    Waiting,
    Sealed(Opener),
    /// Everything passes unread.
    Passing,
}

/// Filters the banners from a server's stream.
pub(crate) struct Sieve {
    keys: Keys,
    stage: Stage,
    /// The number of the next packet.
    number: u32,
    input: Vec<u8>,
    output: Vec<u8>,
    /// How much of the output was taken.
    taken: usize,
}

impl Sieve {
    pub(crate) fn new(keys: Keys) -> Self {
        Self {
            keys,
            stage: Stage::Greeting,
            number: 0,
            input: Vec::new(),
            output: Vec::new(),
            taken: 0,
        }
    }

    /// Whether bytes pass unread, and none are buffered here.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(self.stage, Stage::Passing) && self.taken == self.output.len()
    }

    /// Adds bytes from the server. `said` receives the banners.
    pub(crate) fn push(&mut self, bytes: &[u8], said: impl FnMut(&[u8])) {
        self.input.extend_from_slice(bytes);
        self.sift(said);
    }

    /// Ends the server's stream: the rest passes.
    pub(crate) fn end(&mut self) {
        self.stage = Stage::Passing;
        self.sift(|_| {});
    }

    /// Returns at most this many bytes for the library. Pending if there are none yet. The arrival
    /// of awaited keys wakes the task.
    pub(crate) fn take(
        &mut self,
        cx: &mut Context<'_>,
        most: usize,
        said: impl FnMut(&[u8]),
    ) -> Poll<&[u8]> {
        if self.taken == self.output.len() && matches!(self.stage, Stage::Waiting) {
            let mut waiting = self.keys.lock();
            let stage = match std::mem::take(&mut waiting.given) {
                Given::NotYet => {
                    waiting.waker = Some(cx.waker().clone());
                    Stage::Waiting
                }
                Given::Nothing => Stage::Passing,
                Given::Keys { opener, is_strict } => {
                    if is_strict {
                        self.number = 0;
                    }
                    Stage::Sealed(opener)
                }
            };
            drop(waiting);
            self.stage = stage;
            self.sift(said);
        }
        if self.taken == self.output.len() {
            self.output.clear();
            self.taken = 0;
            return Poll::Pending;
        }
        let end = self.output.len().min(self.taken + most);
        let bytes = &self.output[self.taken..end];
        self.taken = end;
        Poll::Ready(bytes)
    }

    /// Whether the stream is blocked until the keys are known.
    pub(crate) fn is_waiting(&self) -> bool {
        matches!(self.stage, Stage::Waiting)
    }

    fn sift(&mut self, mut said: impl FnMut(&[u8])) {
        while self.step(&mut said).is_some() {}
    }

    /// Moves one piece of the input to the output; `None` if there is no whole one.
    fn step(&mut self, said: &mut impl FnMut(&[u8])) -> Option<()> {
        let piece = match &self.stage {
            Stage::Waiting => return None,
            Stage::Passing => (!self.input.is_empty()).then_some(self.input.len())?,
            Stage::Greeting => match self.input.iter().position(|byte| *byte == b'\n') {
                Some(end) => {
                    if self.input.starts_with(b"SSH-") {
                        self.stage = Stage::Clear;
                    }
                    end + 1
                }
                None if self.input.len() > GREETING_LIMIT => self.pass(),
                None => return None,
            },
            Stage::Clear => {
                let first = *self.input.first_chunk::<4>()?;
                let length = u32::from_be_bytes(first) as usize;
                if length > PACKET_LIMIT {
                    self.pass()
                } else {
                    let packet = self.input.get(..4 + length)?;
                    if packet.get(5) == Some(&NEWKEYS) {
                        self.stage = Stage::Waiting;
                    }
                    self.number = self.number.wrapping_add(1);
                    4 + length
                }
            }
            Stage::Sealed(opener) => {
                let first = *self.input.first_chunk::<4>()?;
                let length = opener.length(self.number, first);
                if length > PACKET_LIMIT {
                    self.pass()
                } else {
                    let end = 4 + length + TAG;
                    self.input.get(..end)?;
                    self.unseal(end, said).unwrap_or_else(|| {
                        self.stage = Stage::Passing;
                        self.input.len()
                    })
                }
            }
        };
        self.output.extend(self.input.drain(..piece));
        Some(())
    }

    /// Lets everything pass from now on.
    fn pass(&mut self) -> usize {
        self.stage = Stage::Passing;
        self.input.len()
    }

    /// Inspects the packet that ends here. `None` if that is impossible.
    fn unseal(&mut self, end: usize, said: &mut impl FnMut(&[u8])) -> Option<usize> {
        let Stage::Sealed(opener) = &mut self.stage else {
            return None;
        };
        let mut open = opener.open(self.number, &self.input[..end])?;
        let padding = usize::from(*open.get(4)?);
        let message = open.get(5..open.len().checked_sub(padding)?)?;
        let kind = *message.first()?;
        if kind == USERAUTH_BANNER {
            said(text_of(message).unwrap_or_default());
            open[5] = IGNORE;
            let packet = opener.seal(self.number, open.to_vec())?;
            self.input[..end].copy_from_slice(&packet);
        }
        opener.next();
        self.number = self.number.wrapping_add(1);
        // Neither the rest of the session nor later keys matter.
        if kind == USERAUTH_SUCCESS || kind == NEWKEYS {
            self.stage = Stage::Passing;
        }
        Some(end)
    }
}
