use std::fmt;
use std::str::FromStr;

use rand::Rng;
use uuid::Uuid;

use crate::time::Timestamp;

/// Bits of the per-millisecond counter inside a [`JobNo`].
const COUNTER_BITS: u32 = 15;
/// Random bits that remain in a minted [`JobId`].
const RANDOM_BITS: u32 = 59;

/// The public name of a job: a UUID. Ids the server makes are version 7 and carry their [`JobNo`], so a job is
/// found by its id without an index; an id the client chose is any UUID and is found through a claim.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub Uuid);

/// The number under which a store keeps a job: the first 63 bits of a server-made id, which grow with time
/// (RFC 9562 section 6.2, method 1: milliseconds and a counter).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobNo(pub i64);

impl JobId {
    /// The number and the random rest inside an id of the server's making, or `None` for any other id.
    pub fn parts(self) -> Option<(JobNo, i64)> {
        let bits = self.0.as_u128();
        if self.0.get_version_num() != 7 || (bits >> 62) & 0b11 != 0b10 {
            return None;
        }
        let (high, low) = ((bits >> 64) as u64, bits as u64);
        let counter = ((high & 0xfff) << 3) | ((low >> RANDOM_BITS) & 0b111);
        let no = i64::try_from(((high >> 16) << COUNTER_BITS) | counter).ok()?;
        Some((JobNo(no), (low & ((1 << RANDOM_BITS) - 1)) as i64))
    }

    /// Puts an id together again from what [`JobId::parts`] took apart.
    pub fn from_parts(no: JobNo, random_bits: i64) -> Self {
        let (no, random_bits) = (no.0 as u64, random_bits as u64);
        let (millis, counter) = (no >> COUNTER_BITS, no & ((1 << COUNTER_BITS) - 1));
        let high = (millis << 16) | 0x7000 | (counter >> 3);
        let low = (0b10 << 62) | ((counter & 0b111) << RANDOM_BITS) | (random_bits & ((1 << RANDOM_BITS) - 1));
        JobId(Uuid::from_u64_pair(high, low))
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl fmt::Debug for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for JobId {
    type Err = uuid::Error;

    /// Takes the hyphenated form only, in either case: one job, one URL.
    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        let id = Uuid::try_parse(text)?;
        if text.len() == 36 { Ok(JobId(id)) } else { Uuid::try_parse("not hyphenated").map(JobId) }
    }
}

/// Bits of the counter that tell lanes apart where there are several: its highest ones.
const LANE_BITS: u32 = 6;

/// Makes ids that strictly grow, whatever the wall clock does.
#[derive(Debug)]
pub struct IdMint {
    last: i64,
    /// The first number of the lane in each millisecond, and how many there are.
    first: i64,
    size: i64,
}

impl IdMint {
    /// A mint whose next number lies above `last`, the highest number ever given out.
    pub fn after(last: JobNo) -> Self {
        IdMint { last: last.0, first: 0, size: 1 << COUNTER_BITS }
    }

    /// A mint beside others, which never make its numbers as long as each has a lane of its own, 0 to 63: a part of the
    /// counter of every millisecond.
    pub fn in_lane(last: JobNo, lane: u32) -> Self {
        let mut mint = IdMint::after(last);
        mint.change_to(lane);
        mint
    }

    /// Goes on in another lane.
    pub fn change_to(&mut self, lane: u32) {
        self.size = 1 << (COUNTER_BITS - LANE_BITS);
        self.first = i64::from(lane % (1 << LANE_BITS)) * self.size;
    }

    /// The next id. When one millisecond has used up its counter, the number runs ahead of the clock, which
    /// RFC 9562 section 6.2 allows.
    pub fn mint(&mut self, now: Timestamp, rng: &mut dyn Rng) -> (JobNo, JobId) {
        let floor = now.0.max(0) << COUNTER_BITS;
        self.last = (floor + self.first).max(self.next());
        let random_bits = (rng.next_u64() >> (64 - RANDOM_BITS)) as i64;
        (JobNo(self.last), JobId::from_parts(JobNo(self.last), random_bits))
    }

    /// The next number of the lane above the last one.
    fn next(&self) -> i64 {
        let next = self.last + 1;
        let begin = next >> COUNTER_BITS << COUNTER_BITS;
        match next - begin - self.first {
            ..0 => begin + self.first,
            within if within < self.size => next,
            _ => begin + (1 << COUNTER_BITS) + self.first,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    #[test]
    fn ids_grow_and_come_apart_even_when_the_clock_steps_back() {
        let mut rng = StdRng::seed_from_u64(1);
        let mut mint = IdMint::after(JobNo(0));
        let mut last = None;
        for step in 0..100_000i64 {
            let now = if step == 50_000 { Timestamp(5) } else { Timestamp(1_700_000_000_000 + step / 40_000) };
            let (no, id) = mint.mint(now, &mut rng);
            assert!(last < Some((no, id)), "at {step}");
            let (again, random_bits) = id.parts().unwrap();
            assert_eq!(again, no);
            assert_eq!(JobId::from_parts(no, random_bits), id);
            assert_eq!(id.0.get_version_num(), 7);
            last = Some((no, id));
        }
    }

    #[test]
    fn lanes_never_meet() {
        let mut rng = StdRng::seed_from_u64(1);
        let mut seen = std::collections::HashSet::new();
        for lane in [0, 1, 63] {
            let mut mint = IdMint::in_lane(JobNo((1_700_000_000_000 << 15) + 30_000), lane);
            let mut last = JobNo(0);
            for step in 0..20_000i64 {
                let (no, id) = mint.mint(Timestamp(1_700_000_000_000 + step / 5_000), &mut rng);
                assert!(no > last && seen.insert(no), "{no:?} in lane {lane} at {step}");
                assert_eq!((no.0 >> 9) & 63, i64::from(lane));
                assert_eq!(id.parts().unwrap().0, no);
                last = no;
            }
        }
    }

    #[test]
    fn foreign_ids_have_no_parts() {
        assert!(JobId(Uuid::from_u128(0x9f1c_2c3d_4e5f_4a6b_8c7d_1234_5678_9abc)).parts().is_none());
        for bad in ["", "../etc", "0193", "{9f1c2c3d-4e5f-4a6b-8c7d-123456789abc}", "9f1c2c3d4e5f4a6b8c7d123456789abc"]
        {
            assert!(bad.parse::<JobId>().is_err(), "{bad}");
        }
    }
}
