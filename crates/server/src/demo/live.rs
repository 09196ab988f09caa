//! Live traffic: visits begin at random, and their events are sent when their time has come.

use super::client::Sender;
use super::visit::DemoEvent;
use super::world::World;
use crate::error::Fatal;
use aqueduct_event::{Clock, SystemClock};
use rand::Rng;
use std::collections::VecDeque;
use std::time::Duration;

/// How often it is looked what is due.
const TICK: Duration = Duration::from_millis(250);
/// Events of a usual visit; with the wanted rate they say how often visits begin.
const EVENTS_OF_A_VISIT: f64 = 9.0;

/// Plays until the task is ended.
pub(super) async fn play(sender: &mut Sender, world: &mut World, rate: f64) -> Result<(), Fatal> {
    let visits_of_a_tick = rate / EVENTS_OF_A_VISIT * TICK.as_secs_f64();
    let mut waiting: VecDeque<DemoEvent> = VecDeque::new();
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let mut begun = visits_of_a_tick;
        while begun > 0.0 {
            if world.rng().random_bool(begun.min(1.0)) {
                waiting.extend(world.visit_now());
            }
            begun -= 1.0;
        }
        waiting.make_contiguous().sort_by_key(|event| event.at);
        let now = SystemClock.now().0;
        let due = waiting.partition_point(|event| event.at <= now);
        if due > 0 {
            let events: Vec<DemoEvent> = waiting.drain(..due).collect();
            sender.send_live(&events).await?;
        }
    }
}
