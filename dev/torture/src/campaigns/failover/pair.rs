use anyhow::Result;
use pgcluster::{Cluster, Replication, Settings};

/// The database of each cluster.
pub const DATABASE: &str = "postgres";

/// Two servers, one of which follows the other.
pub struct Pair {
    pub primary: Cluster,
    pub standby: Cluster,
}

impl Pair {
    pub fn start(replication: Replication) -> Result<Self> {
        let primary = Cluster::start(Settings { fsync: true, ..Settings::default() })?;
        let standby = primary.standby(replication)?;
        Ok(Pair { primary, standby })
    }

    /// Makes another standby for the one that has taken over; answers the one before it.
    pub fn renew(&mut self, replication: Replication) -> Result<Cluster> {
        let next = self.standby.standby(replication)?;
        let primary = std::mem::replace(&mut self.standby, next);
        Ok(std::mem::replace(&mut self.primary, primary))
    }
}
