//! Named readers of the feed: looked at, made, moved and ended.

use raincheck_worker::Backoff;
use reqwest::{
    Method,
    header::{IF_MATCH, IF_NONE_MATCH},
};

use super::{
    Client,
    call::{Answer, encode},
};
use crate::{Error, api::Reader};

/// What a change of a reader takes for granted; else the answer is 412 `precondition-failed`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expect<'a> {
    /// Nothing.
    #[default]
    Anything,
    /// There is none of this name.
    Absent,
    /// Nobody has changed it since it had this [`Reader::etag`].
    Unchanged(&'a str),
}

impl Client {
    /// The named readers of the feed, with their lag.
    ///
    /// # Errors
    /// As every request.
    pub async fn readers(&self) -> Result<Vec<Reader>, Error> {
        self.all("/readers").await
    }

    /// One reader.
    ///
    /// # Errors
    /// 404 when there is none of this name.
    pub async fn reader(&self, name: &str) -> Result<Reader, Error> {
        read(&self.call(Method::GET, &path(name)).send().await?.accepted()?)
    }

    /// Makes a reader, or moves it: to a cursor of the feed, to its beginning (`"0"`), else to where the feed is now. Says
    /// whether it is new.
    ///
    /// # Errors
    /// 410 `cursor-expired` when the feed is not kept from there on; 412 when it is not as expected.
    pub async fn put_reader(
        &self,
        name: &str,
        cursor: Option<&str>,
        expect: Expect<'_>,
    ) -> Result<(Reader, bool), Error> {
        #[derive(serde::Serialize)]
        struct Put<'a> {
            #[serde(skip_serializing_if = "Option::is_none")]
            cursor: Option<&'a str>,
        }
        let call = self.call(Method::PUT, &path(name)).json(&Put { cursor })?;
        let call = match expect {
            Expect::Anything => call,
            Expect::Absent => call.header(IF_NONE_MATCH, "*")?,
            Expect::Unchanged(etag) => call.header(IF_MATCH, etag)?,
        };
        let answer = call.send().await?.accepted()?;
        Ok((read(&answer)?, answer.status == reqwest::StatusCode::CREATED))
    }

    /// Moves a reader on from where it was, unless somebody else has moved it since. With `patience`, a server that is away is
    /// waited for.
    ///
    /// # Errors
    /// 412 when somebody else has, and what [`Client::put_reader`] says.
    pub async fn move_reader(&self, reader: &Reader, cursor: &str, patience: bool) -> Result<Reader, Error> {
        let mut backoff = Backoff::default();
        let mut may_be_done = false;
        loop {
            match self.put_reader(&reader.name, Some(cursor), Expect::Unchanged(&reader.etag)).await {
                Ok((moved, _)) => return Ok(moved),
                // By a request before, whose answer was lost.
                Err(error) if may_be_done && error.status() == Some(412) => {
                    let there = self.reader(&reader.name).await?;
                    return if there.cursor == cursor { Ok(there) } else { Err(error) };
                }
                Err(error) if patience && error.is_transient() => {
                    may_be_done |= error.is_undecided() || error.status().is_some_and(|status| status >= 500);
                    self.shared.outages.waits(&error);
                    backoff.pause(&error).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Deletes a reader.
    ///
    /// # Errors
    /// 404 when there is none of this name.
    pub async fn delete_reader(&self, name: &str) -> Result<(), Error> {
        self.call(Method::DELETE, &path(name)).send().await?.accepted().map(drop)
    }
}

fn path(name: &str) -> String {
    format!("/readers/{}", encode(name))
}

fn read(answer: &Answer) -> Result<Reader, Error> {
    let mut reader: Reader = answer.json()?;
    reader.etag = answer.header("etag").unwrap_or_default().to_owned();
    Ok(reader)
}
