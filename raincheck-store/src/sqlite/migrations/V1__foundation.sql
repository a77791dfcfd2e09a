-- Facts of the store itself: its id, its secret, how far the feed was cut.
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;

-- Names are written once and referred to by number, so that hot rows stay narrow.
CREATE TABLE queue (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    paused INTEGER NOT NULL DEFAULT 0,
    max_queued INTEGER,
    concurrency INTEGER,
    tickets INTEGER NOT NULL DEFAULT 0,
    served INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE kind (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);

-- Kept in the transaction of every change; nothing is counted when stats are asked for.
CREATE TABLE counter (
    queue INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    state INTEGER NOT NULL,
    n INTEGER NOT NULL,
    PRIMARY KEY (queue, kind, state)
) WITHOUT ROWID;

-- What is kept beside jobs under a name and replaced as a whole. Kinds by number: 0 reader of the feed.
CREATE TABLE object (
    kind INTEGER NOT NULL,
    name TEXT NOT NULL,
    version INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (kind, name)
) WITHOUT ROWID;

-- The narrow hot row. Numbers grow with time, so new jobs are appended and live ones lie together.
CREATE TABLE job (
    no INTEGER PRIMARY KEY,
    random_bits INTEGER NOT NULL,
    client_id BLOB,
    queue INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    state INTEGER NOT NULL,
    flags INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    losses INTEGER NOT NULL,
    max_attempts INTEGER NOT NULL,
    max_losses INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    shared INTEGER NOT NULL,
    rank INTEGER NOT NULL,
    ticket INTEGER NOT NULL,
    run_at INTEGER NOT NULL,
    start_by INTEGER,
    timeout INTEGER NOT NULL,
    ttl INTEGER NOT NULL,
    keep_succeeded INTEGER NOT NULL,
    keep_failed INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    started_at INTEGER,
    updated_at INTEGER NOT NULL,
    finished_at INTEGER,
    expires_at INTEGER
);
-- States by number: 0 scheduled, 1 queued, 2 blocked, 3 running, 4 succeeded, 5 failed, 6 canceled.
CREATE INDEX job_ready ON job (queue, kind, rank, no) WHERE state = 1;
CREATE INDEX job_due ON job (run_at) WHERE state = 0;
CREATE INDEX job_start_by ON job (start_by) WHERE start_by IS NOT NULL AND state < 3 AND attempt = 0;
CREATE INDEX job_running ON job (no) WHERE state = 3;
CREATE INDEX job_unlucky ON job (no) WHERE state > 4;
CREATE INDEX job_expiring ON job (expires_at) WHERE expires_at IS NOT NULL;

-- What the client asked for; written once.
CREATE TABLE spec (
    no INTEGER PRIMARY KEY,
    label TEXT,
    key TEXT,
    tags TEXT,
    content_type TEXT,
    filename TEXT,
    size INTEGER NOT NULL,
    blob TEXT,
    retry_initial INTEGER NOT NULL,
    retry_factor REAL NOT NULL,
    retry_max INTEGER NOT NULL,
    retry_jitter INTEGER NOT NULL,
    rerun_of BLOB,
    traceparent TEXT,
    tracestate TEXT,
    input BLOB
);

CREATE TABLE result (
    no INTEGER PRIMARY KEY,
    content_type TEXT,
    filename TEXT,
    digest BLOB NOT NULL,
    size INTEGER NOT NULL,
    blob TEXT,
    bytes BLOB
);

-- The latest progress and failure of those jobs that have any.
CREATE TABLE report (no INTEGER PRIMARY KEY, progress TEXT, failure TEXT);

-- The change feed. The unique index makes a hole or a double in a job's numbers impossible to write.
CREATE TABLE event (
    cursor INTEGER PRIMARY KEY,
    no INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    type INTEGER NOT NULL,
    state INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    at INTEGER NOT NULL,
    data TEXT
);
CREATE UNIQUE INDEX event_of_job ON event (no, seq);

-- Names that stand for a job: chosen ids (scope 0, in queue 0: in all), idempotency keys (1), equal GET
-- jobs (2). The request id of a batch (3, in queue 0) stands for all its `jobs`, numbers packed in order; `no` is one of
-- them that is here or remembered.
CREATE TABLE claim (
    scope INTEGER NOT NULL,
    queue INTEGER NOT NULL,
    key BLOB NOT NULL,
    no INTEGER NOT NULL,
    fingerprint BLOB NOT NULL,
    jobs BLOB,
    PRIMARY KEY (scope, queue, key)
) WITHOUT ROWID;
CREATE INDEX claim_of_job ON claim (no);

-- Answers to lease requests that may be asked again.
CREATE TABLE lease_request (id BLOB PRIMARY KEY, at INTEGER NOT NULL, leases BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX lease_request_at ON lease_request (at);

-- Follow-ups that were too many for the transactions they belong to, oldest first. By number: 0 run now, 1 cancel.
CREATE TABLE follow_up (id INTEGER PRIMARY KEY, what INTEGER NOT NULL, no INTEGER NOT NULL);

-- Pieces of streams (kind 0, one stream per attempt) and logs (kind 1, attempt 0: one log per job). `run` is the
-- attempt that wrote a piece, `base` where that attempt's part begins.
CREATE TABLE chunk (
    no INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    offset INTEGER NOT NULL,
    run INTEGER NOT NULL,
    base INTEGER NOT NULL,
    content_type TEXT,
    bytes BLOB NOT NULL
);
CREATE UNIQUE INDEX chunk_place ON chunk (no, kind, attempt, offset);

-- Files that rows refer to; others are orphans. The digest is that of their bytes, where it was worked out.
CREATE TABLE blob (name TEXT PRIMARY KEY, no INTEGER NOT NULL, digest BLOB) WITHOUT ROWID;

-- What is left of a forgotten job: that there was one (until then), and what its events in the feed say of it, for as long
-- as one is left.
CREATE TABLE tombstone (
    no INTEGER PRIMARY KEY,
    id BLOB NOT NULL,
    until INTEGER,
    queue TEXT NOT NULL,
    kind TEXT NOT NULL
);
CREATE INDEX tombstone_until ON tombstone (until);
