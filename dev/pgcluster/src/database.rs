//! A database of its own for one test.

use std::sync::atomic::Ordering;

use anyhow::Result;

use crate::Cluster;

/// A database, dropped soon after the value.
#[derive(Debug)]
pub struct Database<'a> {
    cluster: &'a Cluster,
    name: String,
}

impl<'a> Database<'a> {
    pub(crate) fn create(cluster: &'a Cluster, name: String, template: &str) -> Result<Self> {
        cluster.run("postgres", &format!("CREATE DATABASE {name} TEMPLATE {template}"))?;
        Ok(Database { cluster, name })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its address.
    pub fn url(&self) -> String {
        self.cluster.url(&self.name)
    }

    /// The cluster that it is one of.
    pub fn cluster(&self) -> &'a Cluster {
        self.cluster
    }

    /// Carries out SQL in it as the superuser; answers the rows, a line each, `|` between columns.
    ///
    /// # Errors
    /// What the server said against it; none of the statements happened then.
    pub fn run(&self, sql: &str) -> Result<String> {
        self.cluster.run(&self.name, sql)
    }

    /// Ends every connection to it; answers how many there were.
    ///
    /// # Errors
    /// When the server does not run.
    pub fn disconnect(&self) -> Result<usize> {
        self.cluster.disconnect(&self.name)
    }
}

impl Cluster {
    /// Makes a new, empty database; it is dropped soon after the value.
    ///
    /// # Errors
    /// When the server does not run.
    pub fn database(&self) -> Result<Database<'_>> {
        self.database_like("template1")
    }

    /// Makes a copy of a database that nobody is connected to; it is dropped soon after the value.
    ///
    /// # Errors
    /// When the server does not run, or somebody is connected to `template`.
    pub fn database_like(&self, template: &str) -> Result<Database<'_>> {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed) + 1);
        Database::create(self, name, template)
    }
}

impl Drop for Database<'_> {
    fn drop(&mut self) {
        let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        let mut psql = self.cluster.psql("postgres", &sql);
        // Nobody waits for it: the server sleeps for a tenth of a second at a time while some connection still ends. It
        // goes with the cluster at the latest, which a test may have stopped already.
        std::thread::spawn(move || psql.output());
    }
}
