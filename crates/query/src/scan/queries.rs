//! `query_log`: the queries of the project that ended, one row each.

use super::column::{text_type, time_type};
use super::{EmptyType, ScanContext};
use crate::log::{LogEntry, Outcome};
use arrow::array::{ArrayRef, BooleanArray, Date32Array, DictionaryArray, Int64Array, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Int32Type};
use std::sync::Arc;

const DAY_MICROS: i64 = 24 * 3_600 * 1_000_000;

/// A column of `query_log`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum LogField {
    EventDate,
    EventTime,
    QueryId,
    Endpoint,
    Query,
    Kind,
    StartTime,
    DurationMs,
    Name,
    CreatedBy,
    ReadRows,
    ReadBytes,
    ResultRows,
    ResultBytes,
    MemoryUsage,
    Status,
    ExceptionCode,
    IsPersonalApiKeyRequest,
    AccessMethod,
    CpuMicros,
    RealMicros,
    /// What an object store would have done.
    Nothing,
}

use LogField as F;

/// The columns that `*` stands for.
pub(crate) const LOG_FIELDS: &[(&str, LogField)] = &[
    ("event_date", F::EventDate),
    ("event_time", F::EventTime),
    ("query_id", F::QueryId),
    ("endpoint", F::Endpoint),
    ("query", F::Query),
    ("query_start_time", F::StartTime),
    ("query_duration_ms", F::DurationMs),
    ("hogql_name", F::Name),
    ("created_by", F::CreatedBy),
    ("read_rows", F::ReadRows),
    ("read_bytes", F::ReadBytes),
    ("result_rows", F::ResultRows),
    ("result_bytes", F::ResultBytes),
    ("memory_usage", F::MemoryUsage),
    ("status", F::Status),
    ("exception_code", F::ExceptionCode),
    ("is_personal_api_key_request", F::IsPersonalApiKeyRequest),
    ("cpu_microseconds", F::CpuMicros),
    ("RealTimeMicroseconds", F::RealMicros),
    ("S3ListObjects", F::Nothing),
    ("S3HeadObject", F::Nothing),
    ("S3GetObjectAttributes", F::Nothing),
    ("S3GetObject", F::Nothing),
    ("ReadBufferFromS3Bytes", F::Nothing),
];

/// What `raw_query_log` calls some of them.
const RAW_FIELDS: &[(&str, LogField)] = &[
    ("kind", F::Kind),
    ("lc_query__kind", F::Kind),
    ("lc_id", F::Endpoint),
    ("lc_query__query", F::Query),
    ("lc_name", F::Name),
    ("lc_user_id", F::CreatedBy),
    ("type", F::Status),
    ("lc_access_method", F::AccessMethod),
    ("ProfileEvents_OSCPUVirtualTimeMicroseconds", F::CpuMicros),
    ("ProfileEvents_RealTimeMicroseconds", F::RealMicros),
];

/// A column by name.
pub(crate) fn log_field(name: &str) -> Option<LogField> {
    LOG_FIELDS.iter().chain(RAW_FIELDS).find(|(known, _)| *known == name).map(|(_, field)| *field)
}

impl LogField {
    pub(crate) fn data_type(self) -> DataType {
        match self {
            F::EventDate => DataType::Date32,
            F::EventTime | F::StartTime => time_type(),
            F::QueryId | F::Endpoint | F::Query | F::Kind | F::Name | F::Status | F::AccessMethod => text_type(),
            F::IsPersonalApiKeyRequest => DataType::Boolean,
            _ => EmptyType::Int.data_type(),
        }
    }

    pub(super) fn build(self, context: &ScanContext) -> ArrayRef {
        let entries = context.queries();
        let numbers = |number: fn(&LogEntry) -> u64| -> ArrayRef {
            let number = |entry: &Arc<LogEntry>| i64::try_from(number(entry)).unwrap_or(i64::MAX);
            Arc::new(entries.iter().map(|entry| Some(number(entry))).collect::<Int64Array>())
        };
        let texts = |text: fn(&LogEntry) -> &str| -> ArrayRef {
            Arc::new(entries.iter().map(|entry| Some(text(entry))).collect::<DictionaryArray<Int32Type>>())
        };
        let times = |time: fn(&LogEntry) -> i64| -> ArrayRef {
            let times: TimestampMicrosecondArray = entries.iter().map(|entry| Some(time(entry))).collect();
            Arc::new(times.with_timezone("UTC"))
        };
        match self {
            F::EventDate => {
                let day = |entry: &Arc<LogEntry>| i32::try_from(ended(entry).div_euclid(DAY_MICROS)).ok();
                Arc::new(entries.iter().map(day).collect::<Date32Array>())
            }
            F::EventTime => times(ended),
            F::StartTime => times(|entry| entry.started_at.0),
            F::QueryId => texts(|entry| &entry.query_id),
            F::Endpoint => texts(|entry| &entry.endpoint),
            F::Query => texts(|entry| &entry.query),
            F::Kind => texts(|entry| &entry.kind),
            F::Name => texts(|entry| &entry.name),
            F::AccessMethod => texts(|entry| if entry.with_key { "personal_api_key" } else { "" }),
            F::Status => texts(|entry| match entry.outcome {
                Outcome::QueryFinish => "QueryFinish",
                Outcome::ExceptionBeforeStart => "ExceptionBeforeStart",
                Outcome::ExceptionWhileProcessing => "ExceptionWhileProcessing",
            }),
            F::IsPersonalApiKeyRequest => Arc::new(entries.iter().map(|entry| Some(entry.with_key)).collect::<BooleanArray>()),
            F::DurationMs => numbers(|entry| entry.duration_ms),
            F::CreatedBy => numbers(|entry| entry.user.unsigned_abs()),
            F::ReadRows => numbers(|entry| entry.read_rows),
            F::ReadBytes => numbers(|entry| entry.read_bytes),
            F::ResultRows => numbers(|entry| entry.result_rows),
            F::ResultBytes => numbers(|entry| entry.result_bytes),
            F::MemoryUsage => numbers(|entry| entry.memory_bytes),
            F::ExceptionCode => numbers(|entry| entry.error_status.into()),
            F::CpuMicros => numbers(|entry| entry.busy_micros),
            F::RealMicros => numbers(|entry| entry.duration_ms.saturating_mul(1_000)),
            F::Nothing => numbers(|_| 0),
        }
    }
}

fn ended(entry: &LogEntry) -> i64 {
    let micros = i64::try_from(entry.duration_ms.saturating_mul(1_000)).unwrap_or(i64::MAX);
    entry.started_at.0.saturating_add(micros)
}
