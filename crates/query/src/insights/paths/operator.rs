//! The paths operator: one pass over rows, persons one after the other, their steps in order of time.

use super::edges::Edges;
use super::funnel::Around;
use super::nodes::{NO_NODE, Nodes};
use super::session::{Cut, Step};
use crate::error::QueryError;
use crate::insights::InsightContext;
use crate::insights::actors::{Absorb, Actor, ActorId, ActorRows, Kept, PartRows, pick};
use crate::scan::{RowProgram, RowProgramOnPart};
use aqueduct_store::{EventColumn, Part};
use arrow::array::{AsArray, UInt32Array};
use parking_lot::Mutex;
use std::sync::Arc;

/// Places in the program: the items of pages, of screens, of others.
pub(super) const PAGE: usize = 3;
pub(super) const SCREEN: usize = 4;
pub(super) const OTHER: usize = 5;
/// Behind them what tells the actors of a funnel apart, when they are not persons.
const FUNNEL_KEY: usize = 6;

/// A query, ready to run.
#[derive(Debug)]
pub(super) struct Operator {
    /// Whether a row counts; whether it is a page, whether it is a screen; the items of pages, of screens, of others; perhaps the funnel's key.
    pub(super) program: RowProgram,
    /// The item that names all rows, when they are all of one kind.
    pub(super) only: Option<usize>,
    /// Earliest and latest time that counts, µs.
    pub(super) span: (i64, i64),
    pub(super) nodes: Nodes,
    /// The sign that ends the address of a page does not count.
    pub(super) trims_pages: bool,
    pub(super) cut: Cut,
    /// Only what is around a funnel counts.
    pub(super) around: Option<Around>,
}

/// For each row that counts its time and node.
struct Rows {
    part: Arc<dyn Part>,
    /// The rows of the part that these are.
    origin: UInt32Array,
    times: Vec<i64>,
    nodes: Vec<u32>,
}

impl PartRows for Rows {
    fn pick(&self, rows: &[u32]) -> Self {
        Self {
            part: Arc::clone(&self.part),
            origin: pick(self.origin.values(), rows).into(),
            times: pick(&self.times, rows),
            nodes: pick(&self.nodes, rows),
        }
    }
}

impl Rows {
    /// The id of a row's event.
    fn uuid(&self, row: usize) -> Result<u128, QueryError> {
        let ids = self.part.column(EventColumn::Uuid)?;
        let id: [u8; 16] = ids.as_fixed_size_binary().value(self.origin.value(row) as usize).try_into().unwrap_or_default();
        Ok(u128::from_be_bytes(id))
    }
}

/// Memory for the steps of the person at hand, and for one of its paths.
#[derive(Debug, Default)]
struct Scratch {
    steps: Vec<Step>,
    path: Vec<Step>,
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
        let of_names = Mutex::new(context.held());
        context.over_actors(
            &Actor::Person,
            self.span,
            make,
            |part| {
                let rows = self.read(part)?;
                of_names.lock().is(self.nodes.bytes())?;
                Ok(rows)
            },
            |result, Scratch { steps, path }, actor, rows| {
                collect(rows, steps)?;
                if let Some(around) = &self.around {
                    around.keep(actor, steps);
                }
                self.cut.paths(steps, path, |path| note(result, actor, path));
                Ok(())
            },
        )
    }

    fn read(&self, part: &Arc<dyn Part>) -> Result<Kept<Rows>, QueryError> {
        let mut program = self.program.on(part);
        let rows = program.select(0, self.span)?;
        let mut nodes = match self.only {
            Some(item) => self.nodes_of(item, &rows, &mut program)?,
            None => self.mixed(&rows, &mut program)?,
        };
        let times = program.times(&rows)?;
        if let Some(around) = self.around.as_ref().filter(|around| around.key().is_some()) {
            around.mask(&program.evaluate(FUNNEL_KEY, &rows)?, &times, &mut nodes)?;
        }
        let of = Rows { part: Arc::clone(part), origin: rows.clone(), times, nodes };
        let bytes = rows.len() * (size_of::<i64>() + 3 * size_of::<u32>());
        Ok(Kept { rows: Some(rows), of, bytes })
    }

    fn nodes_of(&self, item: usize, rows: &UInt32Array, program: &mut RowProgramOnPart<'_>) -> Result<Vec<u32>, QueryError> {
        self.nodes.of(&program.evaluate(item, rows)?, item == PAGE && self.trims_pages)
    }

    /// Nodes of rows of several kinds. The items of those that do not occur are not asked for.
    fn mixed(&self, rows: &UInt32Array, program: &mut RowProgramOnPart<'_>) -> Result<Vec<u32>, QueryError> {
        let (pages, screens) = (program.flags(1, rows)?, program.flags(2, rows)?);
        let mut nodes = vec![NO_NODE; rows.len()];
        let mut name = |item: usize, is_of: &dyn Fn(usize) -> bool| -> Result<(), QueryError> {
            if (0..rows.len()).any(is_of) {
                let of_items = self.nodes_of(item, rows, program)?;
                nodes.iter_mut().zip(of_items).enumerate().filter(|(at, _)| is_of(*at)).for_each(|(_, (node, of_item))| *node = of_item);
            }
            Ok(())
        };
        name(PAGE, &|at| pages[at] & !screens[at])?;
        name(SCREEN, &|at| screens[at])?;
        name(OTHER, &|at| !screens[at] & !pages[at])?;
        Ok(nodes)
    }
}

/// The steps of a person in order of time, at the same time in order of id.
fn collect(rows: ActorRows<'_, Rows>, steps: &mut Vec<Step>) -> Result<(), QueryError> {
    steps.clear();
    if rows.pieces() == 1 {
        for (part, range) in rows.ranges() {
            let each = part.times[range.clone()].iter().zip(&part.nodes[range]);
            steps.extend(each.filter(|(_, node)| **node != NO_NODE).map(|(time, node)| Step { time: *time, node: *node }));
        }
        return Ok(());
    }
    let step = |part: &Rows, row: usize| Step { time: part.times[row], node: part.nodes[row] };
    let taken = rows.iter().filter(|(part, row)| part.nodes[*row] != NO_NODE);
    let mut all: Vec<(Step, &Rows, usize)> = taken.map(|(part, row)| (step(part, row), part, row)).collect();
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
