//! Limits that more than one crate keeps. Units stand in the name; relations are checked when compiling.

/// One mebibyte.
pub const MIB: usize = 1024 * 1024;

/// A request body as it arrives on the capture routes of protocol v0. Over it: 413.
pub const BODY_WIRE_BYTES_MAX: usize = 20 * MIB;
/// The same body after decompression: five times the wire. Over it: 413, found while decompressing.
pub const BODY_DECODED_BYTES_MAX: usize = 5 * BODY_WIRE_BYTES_MAX;
/// A request body as it arrives on the capture v1 route.
pub const V1_BODY_WIRE_BYTES_MAX: usize = 10 * MIB;
/// The v1 body after decompression.
pub const V1_BODY_DECODED_BYTES_MAX: usize = 50 * MIB;
/// One event with all its properties, as JSON. Over it: 413 for the request.
pub const EVENT_BYTES_MAX: usize = 1_000_000;
/// Characters of a distinct id that are kept.
pub const DISTINCT_ID_CHARS_MAX: usize = 200;
/// Characters of an event name that are kept.
pub const EVENT_NAME_CHARS_MAX: usize = 200;
/// Characters of a project token.
pub const TOKEN_CHARS_MAX: usize = 64;
/// Characters of a group key; longer ones drop the event with a warning.
pub const GROUP_KEY_CHARS_MAX: usize = 400;
/// Group types of one project; a further one is ignored.
pub const GROUP_TYPES_MAX: usize = 5;
/// One record of the journal. A request that is larger is split by `capture` before it is appended.
pub const RECORD_BYTES_MAX: usize = 16 * MIB;

const _: () = assert!(EVENT_BYTES_MAX * 4 <= RECORD_BYTES_MAX, "a record holds several of the largest events");
