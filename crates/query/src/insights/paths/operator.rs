//! The paths operator: one pass over rows, persons one after the other, their steps in order of time.

use super::funnel::Around;
use super::nodes::{NO_NODE, Nodes};
use super::session::{Cut, Step};
use crate::error::QueryError;
use crate::insights::actors::{Absorb, Actor, ActorId, ActorRows, PartRows};
use crate::insights::{InsightContext, times_of, truth};
use crate::scan::RowProgram;
use aqueduct_store::{EventColumn, Part};
use arrow::array::AsArray;
use arrow::buffer::ScalarBuffer;
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// A query, ready to run.
#[derive(Debug)]
pub(super) struct Operator {
    /// Whether a row counts; whether it is a page, whether it is a screen; the items of pages, of screens, of others.
    pub(super) program: RowProgram,
    /// Earliest and latest time that counts, µs.
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) nodes: Nodes,
    pub(super) cut: Cut,
    /// Only what persons did around a funnel counts.
    pub(super) around: Option<Around>,
}

/// For each row of a part its node.
struct Rows {
    part: Arc<dyn Part>,
    /// The rows of the part that these are; empty when they are all of them.
    origin: Vec<u32>,
    times: ScalarBuffer<i64>,
    nodes: Vec<u32>,
}

impl PartRows for Rows {
    fn matters(&self, row: usize) -> bool {
        self.nodes[row] != NO_NODE
    }

    fn pick(&self, rows: &[u32]) -> Self {
        Self {
            part: Arc::clone(&self.part),
            origin: rows.iter().map(|row| self.origin.get(*row as usize).copied().unwrap_or(*row)).collect(),
            times: rows.iter().map(|row| self.times[*row as usize]).collect::<Vec<_>>().into(),
            nodes: rows.iter().map(|row| self.nodes[*row as usize]).collect(),
        }
    }
}

impl Rows {
    /// The id of a row's event.
    fn uuid(&self, row: usize) -> Result<u128, QueryError> {
        let row = self.origin.get(row).map_or(row, |row| *row as usize);
        let ids = self.part.column(EventColumn::Uuid)?;
        let id: [u8; 16] = ids.as_fixed_size_binary().value(row).try_into().unwrap_or_default();
        Ok(u128::from_be_bytes(id))
    }
}

/// A way from the node at a place (from 1) of a path to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Edge {
    pub(super) place: u32,
    pub(super) source: u32,
    pub(super) target: u32,
}

/// How often an edge was gone, and how long that took in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Traffic {
    pub(super) count: u64,
    pub(super) micros: i128,
}

/// The traffic of all edges.
#[derive(Debug, Default)]
pub(super) struct Edges(pub(super) FxHashMap<Edge, Traffic>);

impl Edges {
    fn add(&mut self, path: &[Step]) {
        for (place, pair) in (1..).zip(path.windows(2)) {
            let traffic = self.0.entry(Edge { place, source: pair[0].node, target: pair[1].node }).or_default();
            traffic.count += 1;
            traffic.micros += i128::from(pair[1].time - pair[0].time);
        }
    }
}

impl Absorb for Edges {
    fn absorb(&mut self, other: Self) {
        for (edge, traffic) in other.0 {
            let own = self.0.entry(edge).or_default();
            own.count += traffic.count;
            own.micros += traffic.micros;
        }
    }

    fn bytes(&self) -> usize {
        self.0.capacity() * size_of::<(Edge, Traffic)>()
    }
}

/// A result, and room for the steps of the person at hand.
struct Walk<T> {
    result: T,
    steps: Vec<Step>,
    path: Vec<Step>,
}

impl<T: Absorb> Absorb for Walk<T> {
    fn absorb(&mut self, other: Self) {
        self.result.absorb(other.result);
    }

    fn bytes(&self) -> usize {
        self.result.bytes()
    }
}

impl Operator {
    /// The edges that persons went.
    ///
    /// # Errors
    /// What reading and evaluating answers.
    pub(super) fn run(&self, context: &InsightContext<'_>) -> Result<Edges, QueryError> {
        self.each(context, Edges::default, |edges, _, path| edges.add(path))
    }

    /// Gives each path of each person to `note`.
    ///
    /// # Errors
    /// What reading and evaluating answers.
    pub(super) fn each<T: Absorb>(
        &self,
        context: &InsightContext<'_>,
        make: impl Fn() -> T + Sync,
        note: impl Fn(&mut T, ActorId<'_>, &[Step]) + Sync,
    ) -> Result<T, QueryError> {
        let wants = |part: &dyn Part| part.time_range().0 <= self.to && part.time_range().1 >= self.from;
        let make = || Walk { result: make(), steps: Vec::new(), path: Vec::new() };
        let walk = context.over_actors(
            &Actor::Person,
            wants,
            make,
            |part| self.read(part),
            |walk, actor, rows| {
                collect(rows, &mut walk.steps)?;
                if let Some(around) = &self.around {
                    around.keep(actor, &mut walk.steps);
                }
                let result = &mut walk.result;
                self.cut.paths(&walk.steps, &mut walk.path, |path| note(result, actor, path));
                Ok(())
            },
        )?;
        Ok(walk.result)
    }

    fn read(&self, part: &Arc<dyn Part>) -> Result<Rows, QueryError> {
        let results = self.program.evaluate(part)?;
        let times = times_of(part)?;
        let (passes, pages, screens) = (truth(&results[0])?, truth(&results[1])?, truth(&results[2])?);
        let [of_pages, of_screens, of_others] = [3, 4, 5].map(|at| self.nodes.of(&results[at]));
        let (of_pages, of_screens, of_others) = (of_pages?, of_screens?, of_others?);
        let node = |row: usize| {
            let counts = passes[row] && times[row] >= self.from && times[row] <= self.to;
            match (counts, screens[row], pages[row]) {
                (false, ..) => NO_NODE,
                (_, true, _) => of_screens[row],
                (_, _, true) => of_pages[row],
                _ => of_others[row],
            }
        };
        Ok(Rows { part: Arc::clone(part), origin: Vec::new(), nodes: (0..times.len()).map(node).collect(), times })
    }
}

/// The steps of a person in order of time, at the same time in order of id.
fn collect(rows: ActorRows<'_, Rows>, steps: &mut Vec<Step>) -> Result<(), QueryError> {
    steps.clear();
    let taken = || rows.iter().filter(|(part, row)| part.nodes[*row] != NO_NODE);
    let step = |part: &Rows, row: usize| Step { time: part.times[row], node: part.nodes[row] };
    if rows.pieces() == 1 {
        steps.extend(taken().map(|(part, row)| step(part, row)));
        return Ok(());
    }
    let mut all: Vec<(Step, &Rows, usize)> = taken().map(|(part, row)| (step(part, row), part, row)).collect();
    all.sort_by_key(|(step, ..)| step.time);
    for same in all.chunk_by_mut(|(a, ..), (b, ..)| a.time == b.time) {
        // Ids are read only where the order of nodes hangs on them.
        if same.iter().any(|(step, ..)| step.node != same[0].0.node) {
            let mut ids = same.iter().map(|(step, part, row)| Ok((part.uuid(*row)?, *step))).collect::<Result<Vec<_>, QueryError>>()?;
            ids.sort_by_key(|(id, _)| *id);
            same.iter_mut().zip(ids).for_each(|((step, ..), (_, ordered))| *step = ordered);
        }
    }
    steps.extend(all.iter().map(|(step, ..)| *step));
    Ok(())
}
