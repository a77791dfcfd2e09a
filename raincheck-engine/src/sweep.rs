use std::time::Duration;

use tokio::sync::Notify;

use crate::Engine;

#[derive(Default)]
pub(crate) struct Sweep { poked: Notify }
impl Sweep { pub(crate) fn poke(&self) { self.poked.notify_one(); } }
pub(crate) async fn run(engine: Engine) { std::future::pending().await }
