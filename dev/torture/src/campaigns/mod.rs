//! Every campaign.

mod broken_worker;
mod clock;
mod commands;
mod disk_full;
mod duplicates;
mod failover;
mod feed;
mod foreign_folder;
mod greedy;
mod kill;
mod nodes;
mod pause;
mod postgres;
mod power_cut;
mod retention;
mod rolling;
mod silent_node;
mod slow;
mod streams;
mod torn_upload;
mod watchers;
mod write_errors;
mod zombies;

use crate::campaign::Campaign;

/// In the order in which the short form runs them.
pub const CAMPAIGNS: &[Campaign] = &[
    Campaign {
        name: "kill",
        about: "kill -9 of the server under load, at a random moment",
        short_loops: 100,
        run: kill::run,
    },
    Campaign {
        name: "power-cut",
        about: "what was not synced is gone, torn or there by luck",
        short_loops: 50,
        run: power_cut::run,
    },
    Campaign {
        name: "write-errors",
        about: "the k-th write or sync fails with EIO or ENOSPC",
        short_loops: 50,
        run: write_errors::run,
    },
    Campaign {
        name: "disk-full",
        about: "a small disk fills and is freed; needs root for its tmpfs",
        short_loops: 5,
        run: disk_full::run,
    },
    Campaign {
        name: "zombies",
        about: "workers stopped past their leases, which hand in their ends too late",
        short_loops: 100,
        run: zombies::run,
    },
    Campaign {
        name: "pause",
        about: "the server stopped for longer than a lease, under live workers",
        short_loops: 3,
        run: pause::run,
    },
    Campaign {
        name: "clock",
        about: "the wall clock jumps a day on and an hour back under load",
        short_loops: 6,
        run: clock::run,
    },
    Campaign {
        name: "nodes",
        about: "kill -9 of nodes over one PostgreSQL, one after the other",
        short_loops: 10,
        run: nodes::run,
    },
    Campaign {
        name: "rolling",
        about: "SIGTERM and a new start of nodes over one PostgreSQL, one after the other, which no client notices",
        short_loops: 10,
        run: rolling::run,
    },
    Campaign {
        name: "postgres",
        about: "PostgreSQL crashes or ends its connections under two nodes",
        short_loops: 8,
        run: postgres::run,
    },
    Campaign {
        name: "failover",
        about: "PostgreSQL moves to a standby with and without loss, is led astray, stands still for half a minute",
        short_loops: 6,
        run: failover::run,
    },
    Campaign {
        name: "silent-node",
        about: "a node is stopped or cut off until it counts as dead, under large uploads, and goes on",
        short_loops: 6,
        run: silent_node::run,
    },
    Campaign {
        name: "watchers",
        about: "a thousand watchers behind HAProxy see what is done at other nodes",
        short_loops: 1,
        run: watchers::run,
    },
    Campaign {
        name: "retention",
        about: "kill -9 while jobs are shared, run again and kept for a moment only",
        short_loops: 20,
        run: retention::run,
    },
    Campaign {
        name: "feed",
        about: "kill -9 of one server, and of two over one PostgreSQL, under three readers while the feed is trimmed behind them",
        short_loops: 10,
        run: feed::run,
    },
    Campaign { name: "duplicates", about: "one submit sent 64 times at once", short_loops: 500, run: duplicates::run },
    Campaign {
        name: "foreign-folder",
        about: "folders that are another store's, somebody's, half missing, or taken away while they are served",
        short_loops: 8,
        run: foreign_folder::run,
    },
    Campaign {
        name: "slow-clients",
        about: "2,000 half-sent requests beside good ones",
        short_loops: 1,
        run: slow::run,
    },
    Campaign {
        name: "torn-upload",
        about: "large uploads torn at every point, stalled, refused and unread, the server killed between",
        short_loops: 20,
        run: torn_upload::run,
    },
    Campaign {
        name: "greedy-caller",
        about: "callers that take what they can get: memory, threads and connections stay bounded",
        short_loops: 1,
        run: greedy::run,
    },
    Campaign {
        name: "idle-streams",
        about: "a thousand event streams for each loop, all held at once, then told of the end",
        short_loops: 5,
        run: streams::run,
    },
    Campaign {
        name: "commands",
        about: "kill -9 of a server that runs commands: their processes die, their jobs run again once",
        short_loops: 5,
        run: commands::run,
    },
    Campaign {
        name: "broken-worker",
        about: "workers without disk, scratch folder, processes or program, beside a healthy one; needs root for its tmpfs",
        short_loops: 3,
        run: broken_worker::run,
    },
];
