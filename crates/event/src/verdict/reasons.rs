//! The reasons: one table per kind of verdict. A new reason is a new line at the end of its table, with the next number.

macro_rules! reasons {
    ($(#[$doc:meta])* $name:ident { $($reason:ident = $number:literal $code:literal: $words:literal, $remedy:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $(#[doc = $words] $reason),* }

        impl $name {
            /// All of them, in the order of their numbers.
            pub const ALL: &[Self] = &[$(Self::$reason),*];

            /// The stable code.
            #[must_use]
            pub fn code(self) -> &'static str {
                match self { $(Self::$reason => $code),* }
            }

            /// What happened, in a sentence.
            #[must_use]
            pub fn words(self) -> &'static str {
                match self { $(Self::$reason => $words),* }
            }

            /// What to do about it, in a sentence.
            #[must_use]
            pub fn remedy(self) -> &'static str {
                match self { $(Self::$reason => $remedy),* }
            }

            /// The number that files hold.
            #[must_use]
            pub fn number(self) -> u16 {
                match self { $(Self::$reason => $number),* }
            }

            /// The reason of a number.
            #[must_use]
            pub fn of_number(number: u16) -> Option<Self> {
                match number { $($number => Some(Self::$reason),)* _ => None }
            }
        }
    };
}

reasons! {
    /// Why the edge refused an event; its sender was told so.
    Refusal {
        EmptyPayload = 100 "empty_payload": "The request had no body.",
            "Look for a proxy or a client that drops request bodies.";
        Undecodable = 101 "undecodable": "The body could not be unpacked: its compression or encoding is not what the request says.",
            "Check the Content-Encoding header and the compression parameter against what is sent; look for a proxy that changes bodies.";
        Unparsable = 102 "unparsable": "The body is not JSON of the shape that this path takes.",
            "Send one event or a list of events as JSON; the answer names the place of the fault.";
        MissingEventName = 103 "missing_event_name": "An event had no name.",
            "Set the field event to a text that is not empty.";
        EmptyBatch = 104 "empty_batch": "The request held no event.",
            "Send at least one event; an SDK that flushes an empty queue can be left alone.";
        MissingDistinctId = 105 "missing_distinct_id": "An event had no distinct_id.",
            "Set distinct_id of each event to who did it.";
        InvalidCookielessMode = 106 "invalid_cookieless_mode": "$cookieless_mode was neither true nor false.",
            "Send $cookieless_mode as a truth value.";
        NotAi = 107 "not_ai": "The path takes events about language models only, and the request held another event.",
            "Send other events to /batch.";
        MissingToken = 108 "missing_token": "The request named no project: it had no api_key or token.",
            "Give the SDK the project's token.";
        InconsistentTokens = 109 "inconsistent_tokens": "Events of one request named different projects.",
            "Send the events of each project in requests of their own.";
        InvalidToken = 110 "invalid_token": "The project token is not of the form that tokens have.",
            "Use the project's token (phc_…), not a personal API key and not a text with other characters.";
        BodyStalled = 111 "body_stalled": "The client stopped sending in the middle of the body.",
            "Look at the client's network; SDKs send again by themselves.";
        BodyTooLarge = 112 "body_too_large": "The body is larger than the path takes.",
            "Send smaller batches.";
        EventTooLarge = 113 "event_too_large": "An event is larger than the limit.",
            "Send less in the event's properties; large texts belong elsewhere.";
        NotDurable = 114 "not_durable": "The event could not be made durable in time, and the client was told to try again.",
            "SDKs send again by themselves; look at the disk and the load of the server if it lasts.";
        Timeout = 115 "timeout": "The request took longer than the server waits.",
            "SDKs send again by themselves; look at the client's network and the load of the server.";
        MissingHeaders = 116 "missing_headers": "The request lacked headers that the protocol demands.",
            "Update the SDK, or send the headers that the answer names.";
        InvalidHeader = 117 "invalid_header": "A header had a value that the protocol does not know.",
            "Update the SDK, or send the header as the answer says.";
        UnsupportedContentType = 118 "unsupported_content_type": "The content type is not application/json.",
            "Send JSON with Content-Type: application/json.";
        UnsupportedEncoding = 119 "unsupported_encoding": "The content encoding is none that the server reads.",
            "Use one of the encodings of the answer's Accept-Encoding header.";
        InvalidBatch = 120 "invalid_batch": "The batch's created_at is not a time by RFC 3339.",
            "Send created_at as a time by RFC 3339.";
        MissingUuid = 121 "missing_uuid": "An event of the batch had no uuid.",
            "Give each event a uuid.";
        InvalidUuid = 122 "invalid_uuid": "An event of the batch had a uuid that is none.",
            "Send uuids in their usual form.";
        RepeatedUuid = 123 "repeated_uuid": "Two events of one batch had the same uuid.",
            "Give each event a uuid of its own.";
        EventNameTooLong = 124 "event_name_too_long": "The event's name is too long.",
            "Use names of at most 200 characters; what varies belongs into properties.";
        DistinctIdTooLong = 125 "distinct_id_too_long": "The event's distinct_id is too long.",
            "Use distinct ids of at most 200 characters.";
        NobodysDistinctId = 126 "nobodys_distinct_id": "The distinct_id is one that programs send by mistake, such as null or undefined.",
            "Send the id of who did it, or an anonymous id of its own for each visitor.";
        InvalidTimestamp = 127 "invalid_timestamp": "The event's timestamp is missing or not a time by RFC 3339.",
            "Send timestamp as a time by RFC 3339.";
        MalformedProperties = 128 "malformed_properties": "The event's properties are no JSON object.",
            "Send properties as an object.";
        InvalidOptions = 129 "invalid_options": "The event's options are not of their types.",
            "Update the SDK, or send options as the protocol says.";
        Overloaded = 130 "overloaded": "The server was asked for more than it can take and told the client to come back later.",
            "SDKs send again by themselves; give the server more room if it lasts.";
        Poisoned = 131 "poisoned": "The server's disk failed and nothing is acknowledged until it is started again.",
            "Check the disk and start the server again; SDKs send again by themselves.";
    }
}

reasons! {
    /// Which rule keeps an event out.
    DropReason {
        UnknownToken = 200 "unknown_token": "No project has the token that the event was sent with.",
            "Compare the token in the application with the project's settings.";
        ClientWarning = 201 "client_warning": "It is a report of an SDK about a problem of its own; it became an ingestion warning.",
            "Read the project's ingestion warnings.";
        Heatmap = 202 "heatmap": "It carries heatmap data only, which is no event.",
            "Nothing, or turn heatmaps off in the SDK.";
        PersonlessNotAllowed = 203 "personless_not_allowed": "It is about a person or a group and says that it wants neither ($process_person_profile is false).",
            "Do not identify, alias or group while person profiles are off.";
        GroupKeyTooLong = 204 "group_key_too_long": "The key of its group is too long.",
            "Use group keys of at most 400 characters.";
        TooOld = 205 "too_old": "It is older than its project takes.",
            "Raise or remove drop_events_older_than_seconds in the project's settings to import old events.";
        Cookieless = 206 "cookieless": "It is cookieless and cannot be taken so: the project has that mode off, or the event lacks what its id is made from.",
            "Turn cookieless mode on in the project's settings; the ingestion warnings name what is missing.";
        PerformanceEvent = 207 "performance_event": "It is a $performance_event of an old browser bundle, which nobody reads.",
            "Nothing, or update the SDK.";
        Discarded = 208 "discarded": "It was a dead letter, and somebody discarded it.",
            "Nothing.";
        Erased = 209 "erased": "It was stored, and erased when somebody deleted its person together with the events.",
            "Nothing.";
    }
}

reasons! {
    /// Why an event could not be processed.
    DeadReason {
        MalformedProperties = 300 "malformed_properties": "Its properties are no JSON object, or nested beyond reason.",
            "Fix the payload of the dead letter and replay it; then mend the sender.";
        Panicked = 301 "panicked": "The program failed on it in a way that nobody foresaw.",
            "Report the fault with the dead letter's payload; replay it with a version that mends it.";
        UnreadableRecord = 302 "unreadable_record": "The record in the journal is no batch of events that this program reads.",
            "Run the version that wrote the record, or fix the dead letter's payload and replay it.";
        NoRoom = 303 "no_room": "It could not be processed, and the room for dead letters was full: its payload is lost.",
            "Replay or discard dead letters, or raise store.dead_letters_bytes_max.";
    }
}
