//! Events of one job or of all, by long polls that continue after the last one seen: nothing is missed or repeated.

use std::{collections::VecDeque, time::Duration};

use raincheck_worker::Backoff;
use reqwest::Method;

use super::{
    Client,
    call::{encode, with_query},
};
use crate::{
    Error,
    api::{Event, EventPage},
};

const POLL: Duration = Duration::from_secs(20);

/// Selects events of the whole feed; empty selects all that the token may see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Of this queue, or of those that a pattern matches (`shop.*`); several with commas between them.
    pub queue: Option<String>,
    /// Of this kind, or of those that a pattern matches; several with commas between them.
    pub kind: Option<String>,
    /// That lead into this state.
    pub state: Option<String>,
    /// Of this job.
    pub job: Option<String>,
    /// With what `succeeded` came to.
    pub with_results: bool,
}

/// Events in the reading.
pub struct EventFeed {
    client: Client,
    path: String,
    query: Vec<(String, String)>,
    after: Option<String>,
    /// Whose it is; it begins there.
    reader: Option<String>,
    follow: bool,
    ready: VecDeque<Event>,
    backoff: Backoff,
    over: bool,
}

impl Client {
    /// The events of one job after number `after` (0 for all); with `follow` up to its final one.
    #[must_use]
    pub fn job_events(&self, id: &str, after: u64, follow: bool) -> EventFeed {
        let path = format!("/jobs/{}/events", encode(id));
        EventFeed::new(self, path, Vec::new(), Some(after.to_string()), follow)
    }

    /// The whole feed after the cursor `after` (`"0"` for all that is kept; `None` for what the server starts with);
    /// with `follow` without an end.
    #[must_use]
    pub fn events(&self, filter: &EventFilter, after: Option<String>, follow: bool) -> EventFeed {
        let members =
            [("queue", &filter.queue), ("kind", &filter.kind), ("state", &filter.state), ("job", &filter.job)];
        let members = members.into_iter().filter_map(|(name, value)| Some((name, value.clone()?)));
        let include = filter.with_results.then(|| ("include", "result".to_owned()));
        let query = members.chain(include).map(|(name, value)| (name.to_owned(), value)).collect();
        EventFeed::new(self, "/events".into(), query, after, follow)
    }
}

impl Client {
    /// The whole feed from where a named reader is; with `follow` without an end. It does not move the reader, see
    /// [`Client::move_reader`].
    #[must_use]
    pub fn reader_events(&self, filter: &EventFilter, reader: &str, follow: bool) -> EventFeed {
        let mut feed = self.events(filter, None, follow);
        feed.reader = Some(reader.to_owned());
        feed
    }
}

impl EventFeed {
    fn new(client: &Client, path: String, query: Vec<(String, String)>, after: Option<String>, follow: bool) -> Self {
        Self {
            client: client.clone(),
            path,
            query,
            after,
            reader: None,
            follow,
            ready: VecDeque::new(),
            backoff: Backoff::default(),
            over: false,
        }
    }

    /// Where the feed can be continued later: the `after` of another. It is behind every event handed out, those read ahead
    /// *and* those that the filter passed over, so take whole pages, or keep [`Event::cursor`] of the last one handled.
    #[must_use]
    pub fn position(&self) -> Option<&str> {
        self.after.as_deref()
    }

    /// What is there to be read next, or `None` at the end. A page may be empty, and have moved [`EventFeed::position`].
    ///
    /// # Errors
    /// As of [`EventFeed::next`].
    pub async fn page(&mut self) -> Result<Option<Vec<Event>>, Error> {
        if self.ready.is_empty() {
            if self.over {
                return Ok(None);
            }
            self.poll().await?;
        }
        Ok(Some(self.ready.drain(..).collect()))
    }

    /// The next event, or `None` at the end. A server that is away is waited for.
    ///
    /// # Errors
    /// What the server refuses: 404, 410 `cursor-expired`, 400 `invalid-cursor`.
    pub async fn next(&mut self) -> Result<Option<Event>, Error> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(Some(event));
            }
            if self.over {
                return Ok(None);
            }
            self.poll().await?;
        }
    }

    async fn poll(&mut self) -> Result<(), Error> {
        let mut query = self.query.clone();
        query.extend(self.after.iter().map(|after| ("after".to_owned(), after.clone())));
        query.extend(self.reader.iter().map(|reader| ("reader".to_owned(), reader.clone())));
        if self.follow {
            query.push(("wait".into(), format!("{}s", POLL.as_secs())));
        }
        let call = self.client.call(Method::GET, &with_query(&self.path, &query));
        let call = call.header(reqwest::header::ACCEPT, "application/json")?.held(self.follow.then_some(POLL));
        let asked = tokio::time::Instant::now();
        match call.send().await.and_then(super::call::Answer::accepted) {
            // 204: nothing more will come.
            Ok(answer) if answer.body.is_empty() => self.over = true,
            Ok(answer) => {
                let page: EventPage = answer.json()?;
                let empty = page.items.is_empty();
                self.after = page.next_after.or_else(|| self.after.take());
                // A page that the filter has left nothing of is not the end yet.
                self.over = page.done || (!self.follow && page.at_head.unwrap_or(empty));
                self.ready.extend(page.items);
                if empty && !self.over && asked.elapsed() < POLL / 2 {
                    tokio::time::sleep(self.backoff.next_pause()).await;
                } else {
                    self.backoff.reset();
                }
            }
            Err(error) if self.follow && error.is_transient() => {
                self.client.shared.outages.waits(&error);
                self.backoff.pause(&error).await;
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }
}
