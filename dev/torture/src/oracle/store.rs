//! What the server holds when everything has ended.

use std::collections::HashMap;

use anyhow::Result;
use uuid::Uuid;

use crate::http::Http;
use crate::wire::{Event, Events, Job, Jobs};

/// What the server holds.
pub struct Store {
    /// Every job.
    pub jobs: HashMap<Uuid, Job>,
    /// Every event, in the order of the feed.
    pub feed: Vec<Event>,
    /// The places in `feed` of each job's events.
    pub histories: HashMap<Uuid, Vec<usize>>,
}

/// Reads all of it.
pub async fn read(http: &Http) -> Result<Store> {
    let (mut feed, mut after) = (Vec::new(), "0".to_owned());
    loop {
        let page: Events = http.fetch(&format!("/events?after={after}")).await?;
        if page.items.is_empty() {
            break;
        }
        feed.extend(page.items);
        after = page.next_after;
    }
    let (mut jobs, mut cursor) = (HashMap::new(), String::new());
    loop {
        let page: Jobs = http.fetch(&format!("/jobs?limit=1000{cursor}")).await?;
        jobs.extend(page.items.into_iter().map(|job| (job.id, job)));
        match page.next_cursor {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let mut histories: HashMap<Uuid, Vec<usize>> = HashMap::new();
    for (place, event) in feed.iter().enumerate() {
        histories.entry(event.job).or_default().push(place);
    }
    Ok(Store { jobs, feed, histories })
}
