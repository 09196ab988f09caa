//! Questions in PostHog's request modes: answered at once, from what is kept, or in the background.
//!
//! A kept answer is *exact* while computing it again would give the same; then every mode but the forced ones gives it. One that may have changed is given
//! only by the modes that ask for it, beside a new one that is computed in the background.

use crate::answer::AnswerBody;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::jobs::QueryStatus;
use crate::state::ApiState;
use aqueduct_catalog::Project;
use aqueduct_query::{Answer, Ask, Asker, ProjectFacts, QueryRequest, Staleness, Tolerance};
use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;
use utoipa::ToSchema;
use uuid::Uuid;

/// PostHog's `refresh`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refresh {
    /// An exact answer that is kept, or a new one now.
    Blocking,
    /// An exact answer that is kept, or a new one in the background.
    Async,
    /// As `Async`, content with an older answer.
    LazyAsync,
    /// An exact answer that is kept; where an older one is kept, a new one in the background; else a new one now.
    AsyncExceptOnCacheMiss,
    /// A new answer now.
    ForceBlocking,
    /// A new answer in the background.
    ForceAsync,
    /// A kept answer, however old, or none.
    ForceCache,
}

impl Refresh {
    /// From a request's `refresh` and its old form `async`.
    ///
    /// # Errors
    /// `refresh` is none of the words.
    pub(crate) fn of(refresh: Option<&Value>, is_async: Option<bool>) -> Result<Self, ApiError> {
        let not_a_choice =
            |found: &dyn std::fmt::Display| ApiError::field("refresh", "invalid_choice", format!("{found} is not a valid choice."));
        if is_async == Some(true) && refresh.is_none_or(Value::is_null) {
            return Ok(Self::Async);
        }
        match refresh {
            None | Some(Value::Null) => Ok(Self::Blocking),
            Some(Value::Bool(true)) => Ok(Self::ForceBlocking),
            Some(Value::Bool(false)) => Ok(Self::ForceCache),
            Some(Value::String(text)) => Self::of_text(text).ok_or_else(|| not_a_choice(&format_args!("\"{text}\""))),
            Some(other) => Err(not_a_choice(other)),
        }
    }

    /// The mode for somebody who needs the answer itself.
    pub(crate) fn now(self) -> Self {
        match self {
            Self::ForceBlocking | Self::ForceAsync => Self::ForceBlocking,
            Self::Blocking | Self::Async | Self::LazyAsync | Self::AsyncExceptOnCacheMiss | Self::ForceCache => Self::Blocking,
        }
    }

    /// From the word, also as it stands in a query string.
    pub(crate) fn of_text(text: &str) -> Option<Self> {
        Some(match text {
            "blocking" | "" => Self::Blocking,
            "async" => Self::Async,
            "lazy_async" => Self::LazyAsync,
            "async_except_on_cache_miss" => Self::AsyncExceptOnCacheMiss,
            "force_blocking" | "true" | "True" | "1" => Self::ForceBlocking,
            "force_async" => Self::ForceAsync,
            "force_cache" | "false" | "False" | "0" => Self::ForceCache,
            _ => return None,
        })
    }
}

/// A query, its mode, and who asks.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) project: Arc<Project>,
    pub(crate) query: Value,
    pub(crate) query_id: String,
    pub(crate) refresh: Refresh,
    pub(crate) asker: Asker,
}

/// What a question gives.
#[derive(Debug)]
pub(crate) enum Reply {
    Answered(AnswerBody),
    /// Computed in the background; the last answer meanwhile, if one is kept.
    Started {
        last: Option<AnswerBody>,
        status: Box<QueryStatus>,
        cache_key: String,
    },
    /// Nothing is kept, and nothing was to be computed.
    Missing {
        cache_key: String,
    },
}

/// The body of a reply without an answer.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NoAnswerBody {
    /// The name under which the answer will be kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cache_key: Option<String>,
    pub(crate) query_status: Option<QueryStatus>,
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        match self {
            Self::Answered(body) => Json(body).into_response(),
            Self::Started { last, status, cache_key } => {
                let code = if status.complete { StatusCode::OK } else { StatusCode::ACCEPTED };
                match last {
                    Some(body) => (code, Json(body.with_status(*status))).into_response(),
                    None => (code, Json(NoAnswerBody { cache_key: Some(cache_key), query_status: Some(*status) })).into_response(),
                }
            }
            Self::Missing { cache_key } => Json(NoAnswerBody { cache_key: Some(cache_key), query_status: None }).into_response(),
        }
    }
}

impl Question {
    /// A question of `caller` with an id of its own.
    pub(crate) fn new(project: Arc<Project>, query: Value, refresh: Refresh, caller: &Caller, endpoint: &'static str) -> Self {
        let name = query.get("name").and_then(Value::as_str).map(str::to_owned);
        let asker = Asker { user: Some(caller.user.id), with_key: caller.key().is_some(), name, endpoint };
        Self { project, query, query_id: Uuid::now_v7().to_string(), refresh, asker }
    }

    /// Answers it in its mode.
    ///
    /// # Errors
    /// [`ApiError::Query`].
    pub(crate) async fn ask(self, state: &ApiState) -> Result<Reply, ApiError> {
        let request = QueryRequest { project: facts(&self.project), query: self.query, query_id: Some(self.query_id) };
        let ask = |tolerance| Ask { request: request.clone(), tolerance, asker: self.asker.clone() };
        let body = |answer: Answer| AnswerBody::new(answer, &request.project.timezone);
        let now = async |tolerance| Ok(Reply::Answered(body(state.engine.answer(ask(tolerance)).await?)));
        let later = |last: Option<Answer>| start(state, ask(Tolerance::Nothing), last.map(body));
        let kept = match self.refresh {
            Refresh::Blocking => return now(Tolerance::Exact).await,
            Refresh::ForceBlocking => return now(Tolerance::Nothing).await,
            Refresh::ForceAsync => return Ok(later(None)),
            Refresh::Async | Refresh::LazyAsync | Refresh::AsyncExceptOnCacheMiss | Refresh::ForceCache => state.engine.kept(&request)?,
        };
        match (self.refresh, kept) {
            (Refresh::ForceCache, Some((answer, _))) => Ok(Reply::Answered(body(answer))),
            (Refresh::ForceCache, None) => Ok(Reply::Missing { cache_key: state.engine.cache_key(&request) }),
            (_, Some((_, Staleness::Exact))) => now(Tolerance::Exact).await,
            (Refresh::LazyAsync, Some((_, Staleness::Tolerable))) => now(Tolerance::Lazy).await,
            (Refresh::AsyncExceptOnCacheMiss, None) => now(Tolerance::Exact).await,
            (_, last) => Ok(later(last.map(|(answer, _)| answer))),
        }
    }
}

/// Begins a query in the background, unless one of its id runs already.
fn start(state: &ApiState, ask: Ask, last: Option<AnswerBody>) -> Reply {
    let (project, timezone) = (ask.request.project.id, ask.request.project.timezone.clone());
    let query_id = ask.request.query_id.clone().unwrap_or_default();
    let cache_key = state.engine.cache_key(&ask.request);
    if state.jobs.begin(project, &query_id, &*state.clock) {
        let (background, id) = (state.clone(), query_id.clone());
        let task = tokio::spawn(async move {
            let outcome = background.engine.answer(ask).await;
            background.jobs.end(project, &id, outcome.map(|answer| AnswerBody::new(answer, &timezone)), &*background.clock);
        });
        state.jobs.runs(project, &query_id, task.abort_handle());
    }
    match state.jobs.status(project, &query_id, state.engine.progress(project, &query_id)) {
        Some(status) => Reply::Started { last, status: Box::new(status), cache_key },
        None => Reply::Missing { cache_key },
    }
}

/// What the engine has to know of a project.
pub(crate) fn facts(project: &Project) -> ProjectFacts {
    ProjectFacts {
        id: project.id,
        timezone: project.timezone.clone(),
        week_start_day: project.week_start_day,
        test_account_filters: project.test_account_filters.clone(),
        path_cleaning_filters: project.path_cleaning_filters.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_word_of_refresh_has_its_mode() {
        let of = |refresh: Value, is_async: Option<bool>| Refresh::of(Some(&refresh), is_async).ok();
        assert_eq!(Refresh::of(None, None).ok(), Some(Refresh::Blocking));
        assert_eq!(of(Value::Null, Some(true)), Some(Refresh::Async), "the old form");
        assert_eq!(of(json!("force_blocking"), Some(true)), Some(Refresh::ForceBlocking), "the word is newer");
        assert_eq!(of(json!(true), None), Some(Refresh::ForceBlocking));
        assert_eq!(of(json!(false), None), Some(Refresh::ForceCache));
        for (word, mode) in [
            ("blocking", Refresh::Blocking),
            ("async", Refresh::Async),
            ("lazy_async", Refresh::LazyAsync),
            ("async_except_on_cache_miss", Refresh::AsyncExceptOnCacheMiss),
            ("force_async", Refresh::ForceAsync),
            ("force_cache", Refresh::ForceCache),
        ] {
            assert_eq!(of(json!(word), None), Some(mode), "{word}");
        }
        for wrong in [json!("sometimes"), json!(1), json!(["blocking"])] {
            assert_eq!(of(wrong.clone(), None), None, "{wrong}");
        }
    }
}
