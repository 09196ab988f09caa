//! Queries that are being computed: an equal one of the same moment waits for the answer instead of computing it again.

use super::{Computed, Key};
use crate::error::QueryError;
use crate::scan::Usage;
use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared, WeakShared};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

type Work = BoxFuture<'static, Result<Computed, QueryError>>;

/// A query, the generation of the rows that it sees, and the moment that it is asked at: equal ones have the same answer.
type Course = (Key, u64, i64);

/// A query that is being computed, for one of those who wait for it. The work stops when the last of them is gone.
#[derive(Debug)]
pub(crate) struct Flight {
    pub(crate) answer: Shared<Work>,
    /// How far it is.
    pub(crate) usage: Arc<Usage>,
    /// Whether somebody else began it.
    pub(crate) is_joined: bool,
}

/// What is being computed now.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flights(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    under_way: HashMap<Course, UnderWay>,
    begun: u64,
}

#[derive(Debug)]
struct UnderWay {
    number: u64,
    answer: WeakShared<Work>,
    usage: Arc<Usage>,
}

/// Takes a flight off the list when it ends, or when nobody waits for it any more.
struct Landing {
    flights: Flights,
    course: Course,
    number: u64,
}

impl Drop for Landing {
    fn drop(&mut self) {
        let under_way = &mut self.flights.0.lock().under_way;
        if under_way.get(&self.course).is_some_and(|other| other.number == self.number) {
            under_way.remove(&self.course);
        }
    }
}

impl Flights {
    /// Joins the equal query that is under way, or begins one with `work`, which is polled by whoever waits.
    pub(crate) fn join<F>(&self, course: Course, work: impl FnOnce(Arc<Usage>) -> F) -> Flight
    where
        F: Future<Output = Result<Computed, QueryError>> + Send + 'static,
    {
        let mut inner = self.0.lock();
        if let Some(other) = inner.under_way.get(&course)
            && let Some(answer) = other.answer.upgrade()
        {
            return Flight { answer, usage: Arc::clone(&other.usage), is_joined: true };
        }
        inner.begun += 1;
        let number = inner.begun;
        let usage = Arc::new(Usage::default());
        let (landing, work) = (Landing { flights: self.clone(), course: course.clone(), number }, work(Arc::clone(&usage)));
        let work: Work = Box::pin(async move {
            let _landing = landing;
            work.await
        });
        let answer = work.shared();
        if let Some(weak) = answer.downgrade() {
            inner.under_way.insert(course, UnderWay { number, answer: weak, usage: Arc::clone(&usage) });
        }
        Flight { answer, usage, is_joined: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::Moment;
    use aqueduct_event::{ProjectId, UnixMicros};
    use serde_json::json;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn course(generation: u64) -> Course {
        (Key::of(ProjectId(1), &json!({}), &json!({})), generation, 0)
    }

    async fn answer(runs: Arc<AtomicUsize>) -> Result<Computed, QueryError> {
        runs.fetch_add(1, Ordering::Relaxed);
        tokio::task::yield_now().await;
        let moment = Moment::of(&json!({}), &json!([]), UnixMicros(0), &jiff::tz::TimeZone::UTC);
        Ok(Computed { body: Arc::default(), at: UnixMicros(0), generation: 0, moment, asked: Arc::default() })
    }

    #[tokio::test]
    async fn equal_queries_are_computed_once() {
        let (flights, runs) = (Flights::default(), Arc::new(AtomicUsize::new(0)));
        let begin = |generation| flights.join(course(generation), |_| answer(Arc::clone(&runs)));
        let (first, second, other) = (begin(1), begin(1), begin(2));
        assert!(!first.is_joined && second.is_joined && !other.is_joined, "other rows are another query");
        let (first, second, other) = tokio::join!(first.answer, second.answer, other.answer);
        assert!(first.is_ok() && second.is_ok() && other.is_ok());
        assert_eq!(runs.load(Ordering::Relaxed), 2);
        assert!(flights.0.lock().under_way.is_empty());
        begin(1).answer.await.expect("computed again");
        assert_eq!(runs.load(Ordering::Relaxed), 3, "what has landed is not joined");
    }

    #[tokio::test]
    async fn the_work_goes_on_while_anybody_waits() {
        let (flights, runs) = (Flights::default(), Arc::new(AtomicUsize::new(0)));
        let begin = || flights.join(course(1), |_| answer(Arc::clone(&runs)));
        let (mut first, second) = (begin(), begin());
        assert!(futures::poll!(&mut first.answer).is_pending(), "the first has begun the work");
        drop(first);
        second.answer.await.expect("goes on without the first");
        assert_eq!(runs.load(Ordering::Relaxed), 1);
        let mut alone = begin();
        assert!(futures::poll!(&mut alone.answer).is_pending());
        drop(alone);
        assert!(flights.0.lock().under_way.is_empty(), "nobody waits: it is over");
    }
}
