//! Changes of persons and groups: records of the journal, like events.
//!
//! In: a command or an event. Out: nothing, once everybody sees what it changes. Processing may stand still: then the change is durable and comes later, and the
//! caller is told that it was accepted.

use crate::error::ApiError;
use crate::state::ApiState;
use aqueduct_catalog::Project;
use aqueduct_event::{Command, CommandedChange, JournalPosition, Minute, PartitionId, RawBatch, RawEvent};
use serde_json::Value;
use std::time::Duration;
use uuid::Uuid;

/// How long a caller waits until a change is visible.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is looked whether it is.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Makes a change that only a command can make.
pub(crate) async fn command(state: &ApiState, project: &Project, change: CommandedChange<'_>) -> Result<(), ApiError> {
    let command = Command { project: project.id, at: state.clock.now(), change };
    append(state, command.encode()).await
}

/// Makes a change by an event, as if an SDK had sent it.
pub(crate) async fn event(
    state: &ApiState,
    project: &Project,
    (name, distinct_id): (&str, &str),
    properties: &Value,
) -> Result<(), ApiError> {
    let (now, properties) = (state.clock.now(), properties.to_string());
    let event = RawEvent {
        uuid: Uuid::now_v7(),
        timestamp: now,
        event: name,
        distinct_id,
        cookieless: false,
        properties: &properties,
        set: "",
        set_once: "",
        unset: "",
    };
    let batch = RawBatch {
        token: &project.api_token,
        received_at: now,
        sent_at: None,
        historical: false,
        client_ip: "",
        user_agent: "",
        path: "/api/projects",
        events: vec![event],
    };
    append(state, batch.encode()).await
}

async fn append(state: &ApiState, record: Vec<u8>) -> Result<(), ApiError> {
    let (partition, position) = state.replays.append(record).await.map_err(ApiError::NotDurable)?;
    let visible = async {
        while !is_visible(state, partition, position) {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    // In time or not: the change is durable.
    let _ = tokio::time::timeout(PATIENCE, visible).await;
    Ok(())
}

fn is_visible(state: &ApiState, partition: PartitionId, position: JournalPosition) -> bool {
    let account = state.accounts.account(Minute(0)..=Minute(0));
    account.is_ok_and(|account| account.visible.get(&partition).is_some_and(|visible| *visible > position))
}
