//! Bytes of the segment file: headers to and from bytes. The tables are in [`super`].
//!
//! In: fields or bytes. Out: bytes, or fields that passed their checksum. Knows no files.

use aqueduct_event::limits::{MIB, RECORD_BYTES_MAX};

pub(super) const VERSION: u32 = 1;
pub(super) const SEGMENT_HEADER_BYTES: usize = 64;
pub(super) const GROUP_HEADER_BYTES: usize = 24;
pub(super) const FRAME_HEADER_BYTES: usize = 16;
const SEGMENT_MAGIC: [u8; 8] = *b"AQUEDJNL";
pub(super) const GROUP_MAGIC: [u8; 4] = *b"AQG1";

/// Records that share one sync at most; also how far positions skip ahead after an end that is not proven.
pub(super) const GROUP_RECORDS_MAX: u32 = 65_536;
/// Bytes of frames that share one sync at most.
pub(super) const GROUP_BYTES_MAX: usize = 32 * MIB;

const _: () = assert!(RECORD_BYTES_MAX + FRAME_HEADER_BYTES <= GROUP_BYTES_MAX, "the largest record fits a group");
const _: () = assert!(GROUP_BYTES_MAX <= u32::MAX as usize, "a group's length is a u32");

/// Start value of the checksums of a segment. A stranger who does not know the salt cannot put bytes into a payload that pass for ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seed(u32);

impl Seed {
    pub(super) fn of_salt(salt: u64) -> Self {
        Self(crc32c::crc32c(&salt.to_le_bytes()))
    }

    fn checksum(self, bytes: &[u8]) -> u32 {
        crc32c::crc32c_append(self.0, bytes)
    }
}

/// Facts of a segment, written once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    /// No record here has a lower position.
    pub(super) first: u64,
    /// One past the last record before this segment.
    pub(super) follows: u64,
    /// When it was made, microseconds since 1970.
    pub(super) created_micros: i64,
    /// Goes into every checksum of the segment.
    pub(super) salt: u64,
}

/// Why bytes are not a segment header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SegmentHeaderError {
    Magic { found: [u8; 8] },
    Version { found: u32 },
    Checksum { found: u32, expected: u32 },
    Order { first: u64, follows: u64 },
}

impl SegmentHeader {
    pub(super) fn encode(&self) -> [u8; SEGMENT_HEADER_BYTES] {
        let mut out = [0; SEGMENT_HEADER_BYTES];
        out[0..8].copy_from_slice(&SEGMENT_MAGIC);
        out[8..12].copy_from_slice(&VERSION.to_le_bytes());
        out[16..24].copy_from_slice(&self.first.to_le_bytes());
        out[24..32].copy_from_slice(&self.follows.to_le_bytes());
        out[32..40].copy_from_slice(&self.created_micros.to_le_bytes());
        out[40..48].copy_from_slice(&self.salt.to_le_bytes());
        let checksum = crc32c::crc32c(&out[..60]);
        out[60..64].copy_from_slice(&checksum.to_le_bytes());
        out
    }

    pub(super) fn decode(bytes: &[u8; SEGMENT_HEADER_BYTES]) -> Result<Self, SegmentHeaderError> {
        let magic = array(bytes, 0);
        if magic != SEGMENT_MAGIC {
            return Err(SegmentHeaderError::Magic { found: magic });
        }
        let version = u32::from_le_bytes(array(bytes, 8));
        if version != VERSION {
            return Err(SegmentHeaderError::Version { found: version });
        }
        let (found, expected) = (u32::from_le_bytes(array(bytes, 60)), crc32c::crc32c(&bytes[..60]));
        if found != expected {
            return Err(SegmentHeaderError::Checksum { found, expected });
        }
        let header = Self {
            first: u64::from_le_bytes(array(bytes, 16)),
            follows: u64::from_le_bytes(array(bytes, 24)),
            created_micros: i64::from_le_bytes(array(bytes, 32)),
            salt: u64::from_le_bytes(array(bytes, 40)),
        };
        if header.follows > header.first {
            return Err(SegmentHeaderError::Order { first: header.first, follows: header.follows });
        }
        Ok(header)
    }

    pub(super) fn seed(&self) -> Seed {
        Seed::of_salt(self.salt)
    }
}

/// What was written with one write and one sync. A group without records is a seal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct GroupHeader {
    /// Position of its first record; the others follow without a gap. Of a seal: the position after the last record.
    pub(super) first: u64,
    /// Records, 0 for a seal.
    pub(super) count: u32,
    /// Bytes of the frames after this header.
    pub(super) body_bytes: u32,
}

impl GroupHeader {
    pub(super) fn encode(&self, seed: Seed) -> [u8; GROUP_HEADER_BYTES] {
        let mut out = [0; GROUP_HEADER_BYTES];
        out[0..4].copy_from_slice(&GROUP_MAGIC);
        out[4..8].copy_from_slice(&self.body_bytes.to_le_bytes());
        out[8..16].copy_from_slice(&self.first.to_le_bytes());
        out[16..20].copy_from_slice(&self.count.to_le_bytes());
        let checksum = seed.checksum(&out[..20]);
        out[20..24].copy_from_slice(&checksum.to_le_bytes());
        out
    }

    /// `None` when the bytes were not written as a group header of this segment.
    pub(super) fn decode(bytes: &[u8; GROUP_HEADER_BYTES], seed: Seed) -> Option<Self> {
        let header = Self {
            body_bytes: u32::from_le_bytes(array(bytes, 4)),
            first: u64::from_le_bytes(array(bytes, 8)),
            count: u32::from_le_bytes(array(bytes, 16)),
        };
        let sound = bytes[..4] == GROUP_MAGIC && u32::from_le_bytes(array(bytes, 20)) == seed.checksum(&bytes[..20]);
        let plausible = header.count <= GROUP_RECORDS_MAX
            && header.body_bytes as usize <= GROUP_BYTES_MAX
            && header.first.checked_add(header.count.into()).is_some();
        (sound && plausible).then_some(header)
    }

    /// Position after the group's last record.
    pub(super) fn end(&self) -> u64 {
        self.first + u64::from(self.count)
    }

    /// Bytes of the whole group.
    pub(super) fn total_bytes(&self) -> u64 {
        GROUP_HEADER_BYTES as u64 + u64::from(self.body_bytes)
    }
}

/// What stands before a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameHeader {
    pub(super) payload_bytes: u32,
    pub(super) checksum: u32,
    pub(super) position: u64,
}

impl FrameHeader {
    /// INVARIANT: `payload` is at most `RECORD_BYTES_MAX` long, checked by `append`.
    pub(super) fn of(payload: &[u8], position: u64, seed: Seed) -> Self {
        let payload_bytes = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        Self { payload_bytes, position, checksum: Self::checksum_of(payload_bytes, position, payload, seed) }
    }

    pub(super) fn encode(&self) -> [u8; FRAME_HEADER_BYTES] {
        let mut out = [0; FRAME_HEADER_BYTES];
        out[0..4].copy_from_slice(&self.payload_bytes.to_le_bytes());
        out[4..8].copy_from_slice(&self.checksum.to_le_bytes());
        out[8..16].copy_from_slice(&self.position.to_le_bytes());
        out
    }

    pub(super) fn decode(bytes: &[u8; FRAME_HEADER_BYTES]) -> Self {
        Self {
            payload_bytes: u32::from_le_bytes(array(bytes, 0)),
            checksum: u32::from_le_bytes(array(bytes, 4)),
            position: u64::from_le_bytes(array(bytes, 8)),
        }
    }

    /// The checksum that the frame should have.
    pub(super) fn expected_checksum(&self, payload: &[u8], seed: Seed) -> u32 {
        Self::checksum_of(self.payload_bytes, self.position, payload, seed)
    }

    fn checksum_of(payload_bytes: u32, position: u64, payload: &[u8], seed: Seed) -> u32 {
        let mut facts = [0; 12];
        facts[0..4].copy_from_slice(&payload_bytes.to_le_bytes());
        facts[4..12].copy_from_slice(&position.to_le_bytes());
        crc32c::crc32c_append(seed.checksum(&facts), payload)
    }
}

/// INVARIANT: callers pass offsets inside their fixed-size header.
fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: SegmentHeader = SegmentHeader { first: 7, follows: 5, created_micros: -1, salt: 0x0123_4567_89ab_cdef };

    #[test]
    fn segment_header_comes_back_and_every_flipped_bit_is_noticed() {
        let bytes = HEADER.encode();
        assert_eq!(SegmentHeader::decode(&bytes), Ok(HEADER));
        for bit in 0..SEGMENT_HEADER_BYTES * 8 {
            let mut bytes = bytes;
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(SegmentHeader::decode(&bytes).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn group_header_comes_back_and_every_flipped_bit_is_noticed() {
        let header = GroupHeader { first: 9, count: 3, body_bytes: 99 };
        let bytes = header.encode(HEADER.seed());
        assert_eq!(GroupHeader::decode(&bytes, HEADER.seed()), Some(header));
        assert_eq!(GroupHeader::decode(&bytes, Seed::of_salt(1)), None, "another segment's salt");
        for bit in 0..GROUP_HEADER_BYTES * 8 {
            let mut bytes = bytes;
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(GroupHeader::decode(&bytes, HEADER.seed()), None, "bit {bit}");
        }
    }

    #[test]
    fn frame_checksum_covers_length_position_and_payload() {
        let seed = HEADER.seed();
        let frame = FrameHeader::of(b"abc", 4, seed);
        assert_eq!(FrameHeader::decode(&frame.encode()), frame);
        assert_eq!(frame.expected_checksum(b"abc", seed), frame.checksum);
        assert_ne!(frame.expected_checksum(b"abd", seed), frame.checksum);
        assert_ne!(FrameHeader { position: 5, ..frame }.expected_checksum(b"abc", seed), frame.checksum);
        assert_ne!(FrameHeader { payload_bytes: 2, ..frame }.expected_checksum(b"abc", seed), frame.checksum);
    }
}
