-- Facts of the store itself: its secret, the highest number whose tombstone was dropped; of the feed the last event
-- that was removed, up to where it was trimmed, and what the events of forgotten jobs above that take.
CREATE TABLE meta (name text PRIMARY KEY, number bigint, bytes bytea);

-- Who serves this data. A node holds its number for as long as it is seen; the number is its lane among job numbers.
-- One that was silent for too long is removed by the next one that starts, and its transactions find that they may not
-- commit any more.
CREATE TABLE node (number integer PRIMARY KEY, token uuid NOT NULL, seen_at bigint NOT NULL);

-- When a node last showed that leases can be renewed; one row.
CREATE TABLE life (at bigint NOT NULL) WITH (fillfactor = 50, autovacuum_vacuum_threshold = 1000);
INSERT INTO life VALUES (0);

-- Names are written once and referred to by number, so that hot rows stay narrow.
CREATE TABLE queue (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    paused boolean NOT NULL DEFAULT false,
    max_queued bigint,
    concurrency bigint
);
CREATE TABLE kind (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL UNIQUE);

-- What is kept beside jobs under a name and replaced as a whole. Kinds by number: 0 reader of the feed.
CREATE TABLE object (
    kind smallint NOT NULL,
    name text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    updated_at bigint NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (kind, name)
) WITH (autovacuum_vacuum_threshold = 1000);

-- Kept in the transaction of every change; nothing is counted when stats are asked for. Every node adds to rows of its
-- own, so that none waits for another; the figure is their sum. State 7 counts tickets given out, 8 tickets served.
CREATE TABLE counter (
    queue integer NOT NULL,
    kind integer NOT NULL,
    state smallint NOT NULL,
    node integer NOT NULL,
    n bigint NOT NULL,
    PRIMARY KEY (queue, kind, state, node)
) WITH (fillfactor = 50, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0.5);

-- The narrow hot row. Numbers grow with time, so new jobs are appended and live ones lie together.
CREATE TABLE job (
    no bigint PRIMARY KEY,
    id uuid NOT NULL,
    queue integer NOT NULL,
    kind integer NOT NULL,
    state smallint NOT NULL,
    flags smallint NOT NULL,
    priority integer NOT NULL,
    attempt integer NOT NULL,
    failures integer NOT NULL,
    losses integer NOT NULL,
    max_attempts integer NOT NULL,
    max_losses integer NOT NULL,
    seq integer NOT NULL,
    shared integer NOT NULL,
    rank bigint NOT NULL,
    ticket bigint NOT NULL,
    run_at bigint NOT NULL,
    start_by bigint,
    timeout bigint NOT NULL,
    ttl bigint NOT NULL,
    keep_succeeded bigint NOT NULL,
    keep_failed bigint NOT NULL,
    created_at bigint NOT NULL,
    started_at bigint,
    updated_at bigint NOT NULL,
    finished_at bigint,
    expires_at bigint
) WITH (fillfactor = 80, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_scale_factor = 0.02);
-- States by number: 0 scheduled, 1 queued, 2 blocked, 3 running, 4 succeeded, 5 failed, 6 canceled.
CREATE INDEX job_ready ON job (queue, kind, rank, no) WHERE state = 1;
CREATE INDEX job_due ON job (run_at, no) WHERE state = 0;
CREATE INDEX job_start_by ON job (start_by, no) WHERE start_by IS NOT NULL AND state < 3 AND attempt = 0;
CREATE INDEX job_unlucky ON job (no) WHERE state > 4;
CREATE INDEX job_expiring ON job (expires_at, no) WHERE expires_at IS NOT NULL;

-- Running leases, and so the index of running jobs: narrow, so that a heartbeat writes little. `until` and `timeout_at` are on the clock that judges
-- leases: the database's own.
CREATE TABLE lease (
    no bigint PRIMARY KEY,
    attempt integer NOT NULL,
    ttl bigint NOT NULL,
    until bigint NOT NULL,
    timeout_at bigint NOT NULL,
    cancel boolean NOT NULL,
    worker text NOT NULL,
    -- What a restart grants, and the most that a heartbeat takes `ttl` to.
    kept bigint NOT NULL
) WITH (fillfactor = 60, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0.1);
CREATE INDEX lease_over ON lease (least(until, timeout_at));

-- Numbers of jobs grow with time. What is written about the jobs of some span of time, and is wide, lies in a partition
-- of its own: of `spec`, `result`, `report`, `chunk` and `event`, each named after its table and the `suffix`. Nothing
-- is read of them but by way of a row of `job`: when that is gone, what is left here is invisible, and goes with the
-- partition. `held` is about how many jobs had rows there when its time was over, or when it was last compacted. Events
-- outlive their jobs, so their partition has a suffix of its own, and a life: where `last` is said, no forgotten job of
-- it has an event above that cursor, and when the feed is trimmed so far, they go. Without a `suffix`, nothing else is
-- left.
CREATE TABLE partition (
    low bigint PRIMARY KEY,
    high bigint NOT NULL,
    suffix text UNIQUE,
    events text NOT NULL UNIQUE,
    held bigint,
    last bigint
);
CREATE SEQUENCE partition_number;

-- What the client asked for; written once. A zero character, which text can't hold here, is written as \u{1}0, and \u{1}
-- as \u{1}1; so in every text that somebody outside may choose.
CREATE TABLE spec (
    no bigint PRIMARY KEY,
    label text,
    key text,
    tags text,
    content_type text,
    filename text,
    size bigint NOT NULL,
    blob text,
    retry_initial bigint NOT NULL,
    retry_factor double precision NOT NULL,
    retry_max bigint NOT NULL,
    retry_jitter boolean NOT NULL,
    rerun_of uuid,
    traceparent text,
    tracestate text,
    input bytea
) PARTITION BY RANGE (no);

CREATE TABLE result (
    no bigint PRIMARY KEY,
    content_type text,
    filename text,
    digest bytea NOT NULL,
    size bigint NOT NULL,
    blob text,
    bytes bytea
) PARTITION BY RANGE (no);

-- The latest progress and failure of those jobs that have any.
CREATE TABLE report (no bigint PRIMARY KEY, progress text, failure text) PARTITION BY RANGE (no);

-- Events, under the number of the transaction that wrote them. The key makes a double in a job's numbers impossible to
-- write.
CREATE TABLE event (
    batch bigint NOT NULL,
    idx integer NOT NULL,
    no bigint NOT NULL,
    seq integer NOT NULL,
    type smallint NOT NULL,
    state smallint NOT NULL,
    attempt integer NOT NULL,
    at bigint NOT NULL,
    data text,
    PRIMARY KEY (no, seq)
) PARTITION BY RANGE (no);
CREATE INDEX event_of_batch ON event (batch, idx);
CREATE SEQUENCE batch;

-- The change feed: transactions in the order in which they became visible, each with the cursors of its events. A row is
-- written last of all, under a lock that is held until the commit: so nothing ever appears behind a row that was seen.
-- The cursor of an event is its feed row's `first` + its `idx`. A transaction without events has `last` = `first` - 1.
-- `grown` and `grown_kinds` name the streams and logs that it wrote to; `low` and `high` are the least and the greatest
-- number of a job among its events: they say in which partitions those are.
CREATE TABLE feed (
    pos bigint PRIMARY KEY,
    batch bigint NOT NULL UNIQUE,
    first bigint NOT NULL,
    last bigint NOT NULL,
    node integer NOT NULL,
    grown bigint[],
    grown_kinds smallint[],
    low bigint,
    high bigint
) WITH (autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX feed_last ON feed (last);
INSERT INTO feed VALUES (0, 0, 1, 0, 0);

-- The histories of the data, by their first cursors. Each but the first one begins where the database was found on another
-- server, or was put back: after the transaction `pos` and the event `last`, with an empty transaction and on numbers that
-- were never given out. `system`, `timeline` and `place` name the server and the table; 0 before they are known. `lost` is
-- the last event that some node knew of and that is not there.
CREATE TABLE history (
    first bigint PRIMARY KEY,
    pos bigint NOT NULL,
    last bigint NOT NULL,
    system bigint NOT NULL,
    timeline integer NOT NULL,
    place bigint NOT NULL,
    lost bigint
);
INSERT INTO history VALUES (0, 0, 0, 0, 0, 0);

-- Names that stand for a job: chosen ids (scope 0, in queue 0: in all), idempotency keys (1), equal GET
-- jobs (2). The request id of a batch (3, in queue 0) stands for all its `jobs`, numbers packed in order; `no` is one of
-- them that is here or remembered.
CREATE TABLE claim (
    scope smallint NOT NULL,
    queue integer NOT NULL,
    key bytea NOT NULL,
    no bigint NOT NULL,
    fingerprint bytea NOT NULL,
    jobs bytea,
    PRIMARY KEY (scope, queue, key)
) WITH (autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX claim_of_job ON claim (no);

-- Answers to lease requests that may be asked again.
CREATE TABLE lease_request (id bytea PRIMARY KEY, at bigint NOT NULL, nos bigint[] NOT NULL, attempts integer[] NOT NULL)
    WITH (autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX lease_request_at ON lease_request (at);

-- Follow-ups that were too many for the transactions they belong to, oldest first. By number: 0 run now, 1 cancel.
CREATE TABLE follow_up (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    what smallint NOT NULL,
    no bigint NOT NULL
) WITH (autovacuum_vacuum_threshold = 1000);

-- Pieces of streams (kind 0, one stream per attempt) and logs (kind 1, attempt 0: one log per job). `run` is the
-- attempt that wrote a piece, `base` where that attempt's part begins, `start` where the piece does.
CREATE TABLE chunk (
    no bigint NOT NULL,
    kind smallint NOT NULL,
    attempt integer NOT NULL,
    start bigint NOT NULL,
    run integer NOT NULL,
    base bigint NOT NULL,
    content_type text,
    bytes bytea NOT NULL,
    PRIMARY KEY (no, kind, attempt, start)
) PARTITION BY RANGE (no);

-- Files that rows refer to; others are orphans. One that was removed as an orphan keeps its name here for a while, with
-- `no` 0: so no job can get it that was on its way meanwhile.
CREATE TABLE blob (name text PRIMARY KEY, no bigint NOT NULL, digest bytea, swept_at bigint);
CREATE INDEX blob_of_job ON blob (no);

-- What is left of a forgotten job: that there was one (until then), and what its events in the feed say of it, for as long
-- as one is left.
CREATE TABLE tombstone (no bigint PRIMARY KEY, id uuid NOT NULL, until bigint, queue text NOT NULL, kind text NOT NULL)
    WITH (autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX tombstone_until ON tombstone (until, no);
