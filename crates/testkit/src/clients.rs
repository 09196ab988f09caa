//! Clients as SDKs are: they batch, wait for answers, keep what was not accepted and send it again with the same ids, and give up at last.
//!
//! # Invariants
//! - A message is sent again byte for byte, until it is answered 200 or 4xx or its attempts are used up.
//! - A client has at most `window` messages under way; with one, the order of its events is the order in which it sent them.

use crate::messages::{Message, Messages, Told};
use aqueduct_event::UnixMicros;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// Milliseconds that a client waits before it sends again.
const RETRY_MS: u64 = 1_000;

/// A message and how far it is.
#[derive(Debug)]
pub(crate) struct Post {
    pub(crate) message: Message,
    pub(crate) client: usize,
    attempts: u32,
    state: PostState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PostState {
    /// Its answer is waited for.
    Waiting,
    /// To be sent again at this time.
    Due(u64),
    Done,
}

#[derive(Debug)]
struct Client {
    project: u32,
    window: usize,
    attempts_max: u32,
}

/// All clients.
#[derive(Debug)]
pub(crate) struct Clients {
    clients: Vec<Client>,
    pub(crate) messages: Messages,
    pub(crate) posts: Vec<Post>,
    /// How many messages are still to be made.
    left: usize,
}

impl Clients {
    pub(crate) fn new(rng: &mut ChaCha8Rng, plan: &crate::plan::Plan) -> Self {
        let client = |_| Client {
            project: rng.random_range(1..=plan.projects),
            window: [1, 1, 3][rng.random_range(0..3)],
            attempts_max: [3, 10, u32::MAX][rng.random_range(0..3)],
        };
        let clients = (0..plan.clients).map(client).collect();
        Self { clients, messages: Messages::new(plan.projects, plan.bad), posts: Vec::new(), left: plan.requests }
    }

    /// The next message that somebody sends now, if anybody does.
    pub(crate) fn send(&mut self, rng: &mut ChaCha8Rng, now: UnixMicros, now_ms: u64, step: u64) -> Option<usize> {
        let client = rng.random_range(0..self.clients.len());
        let mine = |post: &Post| post.client == client;
        let due = self.posts.iter().position(|post| mine(post) && matches!(post.state, PostState::Due(at) if at <= now_ms));
        if let Some(at) = due {
            self.posts[at].state = PostState::Waiting;
            self.posts[at].attempts += 1;
            return Some(at);
        }
        let open = self.posts.iter().filter(|post| mine(post) && post.state != PostState::Done).count();
        if self.left == 0 || open >= self.clients[client].window {
            return None;
        }
        self.left -= 1;
        let message = self.messages.make(rng, self.clients[client].project, now, step);
        self.posts.push(Post { message, client, attempts: 1, state: PostState::Waiting });
        Some(self.posts.len() - 1)
    }

    /// The answer to a message came.
    pub(crate) fn told(&mut self, post: usize, told: Told) {
        let post = &mut self.posts[post];
        post.state = PostState::Done;
        for event in &post.message.events {
            let known = &mut self.messages.sent[*event].told;
            // What was accepted once stays so, whatever a later copy is told.
            if !matches!(known, Told::Accepted(_)) {
                *known = told;
            }
        }
    }

    /// No answer came, or one that says to try again.
    pub(crate) fn failed(&mut self, post: usize, now_ms: u64) {
        let post = &mut self.posts[post];
        if post.state == PostState::Waiting {
            let gives_up = post.attempts >= self.clients[post.client].attempts_max;
            post.state = if gives_up { PostState::Done } else { PostState::Due(now_ms + RETRY_MS) };
        }
    }

    /// Whether nobody has anything to send or to wait for.
    pub(crate) fn are_done(&self) -> bool {
        self.left == 0 && self.posts.iter().all(|post| post.state == PostState::Done)
    }

    /// No new messages; what was begun is brought to its end.
    pub(crate) fn wind_up(&mut self) {
        self.left = 0;
    }
}
