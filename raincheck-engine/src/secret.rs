use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use raincheck_core::{Cursor, JobNo, LeaseRef, Place};
use raincheck_store::StoreError;
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// Bytes of a message authentication code that are kept: half of SHA-256, as RFC 2104 section 5 allows.
const MAC_BYTES: usize = 16;

/// Keys that sign what clients carry for us. Each purpose has a key of its own, derived from the store's secret,
/// so that what is signed for one means nothing for another.
pub(crate) struct Keys {
    lease: Hmac<Sha256>,
    cursor: Hmac<Sha256>,
}

impl Keys {
    pub(crate) fn derive(secret: &[u8]) -> Result<Self, StoreError> {
        let key = |bytes: &[u8]| {
            Hmac::<Sha256>::new_from_slice(bytes).map_err(|_| StoreError::Other("unusable secret".to_owned()))
        };
        let root = key(secret)?;
        let derived = |purpose: &str| key(&root.clone().chain_update(purpose).finalize().into_bytes());
        Ok(Keys { lease: derived("raincheck lease 1")?, cursor: derived("raincheck cursor 1")? })
    }

    /// A run and the history of the data that it began in, 0 for the first one.
    pub(crate) fn lease_text(&self, lease: LeaseRef, history: i64) -> String {
        let LeaseRef { no: JobNo(no), attempt } = lease;
        let run = [&no.to_be_bytes()[..], &attempt.to_be_bytes()].concat();
        if history == 0 {
            return format!("{no:x}.{attempt}.{}", BASE64.encode(mac(&self.lease, &run)));
        }
        let signed = [&run[..], &history.to_be_bytes()].concat();
        format!("{no:x}.{attempt}.{history:x}.{}", BASE64.encode(mac(&self.lease, &signed)))
    }

    pub(crate) fn lease(&self, text: &str) -> Option<(LeaseRef, i64)> {
        let (run, _) = text.rsplit_once('.')?;
        let mut parts = run.splitn(3, '.');
        let no = JobNo(i64::from_str_radix(parts.next()?, 16).ok()?);
        let lease = LeaseRef { no, attempt: parts.next()?.parse().ok()? };
        let history = parts.next().map_or(Ok(0), |history| i64::from_str_radix(history, 16)).ok()?;
        // Compared as a whole, so that one run has one lease string.
        same(&self.lease_text(lease, history), text).then_some((lease, history))
    }

    /// A place; below where gaps lie ahead of it, that, too.
    pub(crate) fn cursor_text(&self, place: Place) -> String {
        let (at, gaps) = (place.at.0.to_be_bytes(), place.gaps_below.0.to_be_bytes());
        let gaps = if place.is_among_gaps() { &gaps[..] } else { &[] };
        let mac: [u8; MAC_BYTES] =
            first(&self.cursor.clone().chain_update(at).chain_update(gaps).finalize().into_bytes());
        BASE64.encode([&at[..], gaps, &mac].concat())
    }

    pub(crate) fn cursor(&self, text: &str) -> Option<Place> {
        let bytes = BASE64.decode(text).ok()?;
        let (at, rest) = bytes.split_first_chunk()?;
        let gaps = if rest.len() > MAC_BYTES { *rest.first_chunk()? } else { [0; 8] };
        let place = Place { at: Cursor(i64::from_be_bytes(*at)), gaps_below: Cursor(i64::from_be_bytes(gaps)) };
        same(&self.cursor_text(place), text).then_some(place)
    }
}

fn mac(key: &Hmac<Sha256>, bytes: &[u8]) -> [u8; MAC_BYTES] {
    first(&key.clone().chain_update(bytes).finalize().into_bytes())
}

/// In a time that does not tell where they differ.
fn same(ours: &str, theirs: &str) -> bool {
    ours.as_bytes().ct_eq(theirs.as_bytes()).into()
}

fn first(bytes: &[u8]) -> [u8; MAC_BYTES] {
    let mut out = [0; MAC_BYTES];
    out.copy_from_slice(&bytes[..MAC_BYTES]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(byte: u8) -> Keys {
        Keys::derive(&[byte; 32]).unwrap()
    }

    #[test]
    fn leases_read_back_and_nothing_else_does() {
        let lease = LeaseRef { no: JobNo(0x0123_4567_89ab), attempt: 7 };
        let text = keys(1).lease_text(lease, 0);
        assert!(text.starts_with("123456789ab.7."), "{text}");
        assert_eq!(keys(1).lease(&text), Some((lease, 0)));
        let later = keys(1).lease_text(lease, 0xabc);
        assert!(later.starts_with("123456789ab.7.abc."), "{later}");
        assert_eq!(keys(1).lease(&later), Some((lease, 0xabc)));
        assert_eq!(keys(1).lease(&later.replacen(".abc.", ".", 1)), None, "as if of the first history");
        assert_eq!(keys(2).lease(&text), None, "another store's");
        let other = text.replacen(".7.", ".8.", 1);
        assert_eq!(keys(1).lease(&other), None, "another attempt");
        for bad in
            ["", ".", "..", "1.1.", "-1.1.x", "zz.1.x", "1.99999999999.x", &format!("0{text}"), &format!("{text}=")]
        {
            assert_eq!(keys(1).lease(bad), None, "{bad}");
        }
    }

    #[test]
    fn cursors_read_back_and_nothing_else_does() {
        let cursor = Place::from(Cursor(1_234_567));
        let among_gaps = Place { gaps_below: Cursor(2_000_000), ..cursor };
        assert_eq!(keys(1).cursor(&keys(1).cursor_text(among_gaps)), Some(among_gaps));
        let beyond = Place { gaps_below: Cursor(1_000_000), ..cursor };
        assert_eq!(keys(1).cursor(&keys(1).cursor_text(beyond)), Some(cursor), "no gaps are ahead of it");
        let text = keys(1).cursor_text(cursor);
        assert_eq!(keys(1).cursor(&text), Some(cursor));
        assert_eq!(keys(2).cursor(&text), None);
        let mut changed = text.clone().into_bytes();
        changed[3] ^= 1;
        assert_eq!(keys(1).cursor(std::str::from_utf8(&changed).unwrap()), None);
        for bad in ["", "1234567", "%00", &text[1..], &format!("{text}AA")] {
            assert_eq!(keys(1).cursor(bad), None, "{bad}");
        }
    }
}
