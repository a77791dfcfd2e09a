//! What operators look at and change: queues, workers, kinds.

use reqwest::Method;

use super::{Client, call::encode};
use crate::{
    Error,
    api::{Kind, Page, Queue, QueuePatch, WorkerInfo},
};

impl Client {
    /// All queues with their live statistics.
    ///
    /// # Errors
    /// As every request.
    pub async fn queues(&self) -> Result<Vec<Queue>, Error> {
        self.all("/queues").await
    }

    /// One queue.
    ///
    /// # Errors
    /// 404 when nothing was ever submitted to it.
    pub async fn queue(&self, name: &str) -> Result<Queue, Error> {
        self.call(Method::GET, &format!("/queues/{}", encode(name))).send().await?.accepted()?.json()
    }

    /// Changes a queue.
    ///
    /// # Errors
    /// 409 `managed-by-config` for what stands in the server's configuration.
    pub async fn patch_queue(&self, name: &str, patch: &QueuePatch) -> Result<Queue, Error> {
        let call = self.call(Method::PATCH, &format!("/queues/{}", encode(name))).json(patch)?;
        call.send().await?.accepted()?.json()
    }

    /// The workers that asked for leases lately.
    ///
    /// # Errors
    /// As every request.
    pub async fn workers(&self) -> Result<Vec<WorkerInfo>, Error> {
        self.all("/workers").await
    }

    /// The kinds that the server has met.
    ///
    /// # Errors
    /// As every request.
    pub async fn kinds(&self) -> Result<Vec<Kind>, Error> {
        self.all("/kinds").await
    }

    /// One kind.
    ///
    /// # Errors
    /// 404 when the server has not met it.
    pub async fn kind(&self, name: &str) -> Result<Kind, Error> {
        self.call(Method::GET, &format!("/kinds/{}", encode(name))).send().await?.accepted()?.json()
    }

    /// Every page of a list.
    pub(super) async fn all<T: serde::de::DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, Error> {
        let (mut items, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let query: Vec<_> = cursor.iter().map(|cursor| ("cursor".to_owned(), cursor.clone())).collect();
            let path = super::call::with_query(path, &query);
            let page: Page<T> = self.call(Method::GET, &path).send().await?.accepted()?.json()?;
            items.extend(page.items);
            match page.next_cursor {
                Some(next) if Some(&next) != cursor.as_ref() => cursor = Some(next),
                _ => return Ok(items),
            }
        }
    }
}
