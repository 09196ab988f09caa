//! A request and the gate: let in by its head, counted for what it is once it was read, given its turn, let go when its records are durable.

use crate::body;
use crate::error::CaptureError;
use crate::gate::{Busy, Found, Held, Origin, Ticket, Turn};
use crate::records::Records;
use crate::remark::{self, Lost, Refused};
use crate::request::{Arrival, client_ip, peer};
use crate::state::CaptureState;
use aqueduct_event::verdict::Refusal;
use axum::extract::Request;
use http_body::Body as _;
use std::borrow::Cow;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

/// A body that takes longer than this to arrive does not keep room from others.
const SLOW_BODY: Duration = Duration::from_millis(250);

/// A request that was let in.
#[derive(Debug)]
pub(crate) struct LetIn {
    ticket: Ticket,
    address: String,
    peer: Option<SocketAddr>,
    held: Held,
}

/// Lets a request in by its head alone; `token`: what the head says. One that is refused is read to its end if it is small, so that its connection stays
/// in use.
pub(crate) async fn let_in(state: &CaptureState, request: Request, token: Option<&str>) -> Result<(LetIn, Request), Refused<CaptureError>> {
    let (parts, body) = request.into_parts();
    let (address, peer) = (client_ip(&parts), peer(&parts));
    let known = token.filter(|token| state.projects.project_by_token(token).is_some());
    match state.gate.enter(Origin { address: &address, peer }, known, body.size_hint().exact()).await {
        Ok(ticket) => {
            let held = state.gate.memory().hold();
            Ok((LetIn { ticket, address, peer, held }, Request::from_parts(parts, body)))
        }
        Err(busy) => {
            let lost = Some(Lost::unread(token, body.size_hint().exact()));
            let close = !body::drain(body, state.config.body_gap_timeout()).await;
            let about = remark::about(state.recorder.as_deref(), Refusal::Overloaded, &parts, Cow::default);
            Err(Refused { error: CaptureError::Overloaded(Busy { close, ..busy }), about, lost })
        }
    }
}

impl LetIn {
    /// Waits for the body. A slow one gives its room back meanwhile.
    pub(crate) async fn arrived<E>(&mut self, arrival: impl Future<Output = Result<Arrival, E>>) -> Result<Arrival, E> {
        let mut arrival = pin!(arrival);
        match tokio::time::timeout(SLOW_BODY, &mut arrival).await {
            Ok(arrived) => arrived,
            Err(_) => {
                self.ticket.release();
                arrival.await
            }
        }
    }

    /// Counts what the request turned out to be: its records, and its sender for the next time.
    pub(crate) fn settle(&mut self, state: &CaptureState, records: &Records, wire_bytes: usize) {
        let token = state.projects.project_by_token(&records.token).map(|_| records.token.as_str());
        let found = Found {
            token,
            historical: records.historical,
            one_sender: records.one_sender.then_some(records.key),
            events: records.events,
            wire_bytes,
            record_bytes: records.bytes(),
        };
        self.ticket.settle(Origin { address: &self.address, peer: self.peer }, found);
        self.held.become_bytes(found.record_bytes);
    }

    /// Waits until its records may go to the journal. What comes back is held until they are durable.
    pub(crate) async fn turn(self) -> (Turn, Held) {
        (self.ticket.turn().await, self.held)
    }
}
