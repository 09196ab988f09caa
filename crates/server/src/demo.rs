//! `aqueduct demo`: the events of a made-up product, a board for teams called Quay.
//!
//! In: a seed. Out: some weeks of history, then live traffic, sent over HTTP like any client's. Visitors come from campaigns, some sign up,
//! found or join a company, come back, upgrade or drift away; the same seed makes the same people.

mod client;
mod live;
mod people;
mod product;
mod visit;
mod world;

use crate::cli::DemoArgs;
use crate::client::Server;
use crate::error::Fatal;
use crate::serve::{self, Started};
use crate::{log, runtime};
use client::Sender;
use world::World;

/// Runs the demo: against a server that runs, or with one of its own.
pub(crate) fn run(arguments: &DemoArgs) -> Result<(), Fatal> {
    if arguments.serve { with_server(arguments) } else { against(arguments) }
}

fn against(arguments: &DemoArgs) -> Result<(), Fatal> {
    log::start(&crate::config::LogConfig::default())?;
    let server = Server::parse(&arguments.url)?;
    runtime("work", 0)?.block_on(play(server, arguments.clone(), true))
}

/// Starts a server whose project 1 has the demo's token, and plays on it. The history is sent to an empty data directory only.
fn with_server(arguments: &DemoArgs) -> Result<(), Fatal> {
    let mut bootstrap = serve::bootstrap_of_environment()?;
    let token = bootstrap.project_token.get_or_insert_with(|| arguments.token.clone()).clone();
    let arguments = DemoArgs { token, ..arguments.clone() };
    let server = arguments.server.clone();
    serve::run_with(&server, bootstrap, move |Started { address, first_start }| {
        tokio::spawn(async move {
            if let Err(fatal) = play(Server::at(address), arguments, first_start).await {
                fatal.report();
            }
        });
    })
}

/// Plays the product: its history if wanted, then live.
async fn play(server: Server, arguments: DemoArgs, history: bool) -> Result<(), Fatal> {
    let mut sender = Sender::new(server, arguments.token.clone());
    let mut world = World::new(arguments.seed, arguments.visitors);
    let mut sent = 0;
    for day in (1..=arguments.days).rev() {
        // The people must have lived their lives even when they were told of before.
        let events = world.day(day);
        if history {
            sent += events.len();
            sender.send_history(&events).await?;
        }
    }
    if history {
        let today = world.today();
        sent += today.len();
        sender.send_history(&today).await?;
        tracing::info!(events = sent, days = arguments.days, "the demo's history is sent");
    }
    if arguments.rate > 0.0 {
        live::play(&mut sender, &mut world, arguments.rate).await?;
    }
    Ok(())
}
