-- Jobs: what takes a while, durable and visible; and settings that administrators change while Stocky runs.
-- depends: 0003.item-detail

-- A job outlives a restore, which may bring other users: it names people and refers to nobody.
CREATE TABLE job (
    id            INTEGER PRIMARY KEY,
    kind          TEXT NOT NULL CHECK (length(kind) BETWEEN 1 AND 100),
    status        TEXT NOT NULL CHECK (status IN ('queued', 'running', 'done', 'failed')),
    once_key      TEXT,
    parameters    TEXT NOT NULL DEFAULT '{}',
    phase         TEXT NOT NULL DEFAULT '',
    done          BIGINT NOT NULL DEFAULT 0,
    total         BIGINT,
    unit          TEXT NOT NULL DEFAULT '',
    result        TEXT,
    error         TEXT,
    error_status  BIGINT,
    attempts      BIGINT NOT NULL DEFAULT 0,
    max_attempts  BIGINT NOT NULL DEFAULT 1,
    run_after     TIMESTAMPTZ NOT NULL,
    owner         TEXT,
    lease_until   TIMESTAMPTZ,
    created_by    TEXT,
    created_at    TIMESTAMPTZ NOT NULL,
    started_at    TIMESTAMPTZ,
    finished_at   TIMESTAMPTZ,
    CONSTRAINT job__no_nul
        CHECK (length(parameters || coalesce(result, '') || coalesce(error, '') || '.')
               = length(parameters) + length(coalesce(result, '')) + length(coalesce(error, '')) + 1)
);
CREATE UNIQUE INDEX job__once_key ON job (once_key) WHERE once_key IS NOT NULL;
CREATE INDEX job_waiting ON job (run_after) WHERE status = 'queued';
CREATE INDEX job_running ON job (lease_until) WHERE status = 'running';

-- What differs from the settings Stocky comes with.
CREATE TABLE setting (
    name       TEXT PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 100),
    value      TEXT NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT setting__no_nul CHECK (length(name || value || '.') = length(name) + length(value) + 1)
);
