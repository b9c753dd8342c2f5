-- Images and the work on them. The work is the row: a message is only a bell.
--
-- `attempt` is the fence. It grows with every claim by any stage, and every write of a stage carries the value it
-- claimed with. `lease_until` is by this database's clock, never by a worker's.
create table image (
    id text primary key,
    hub_id text not null references hub,
    source_id text not null references image_source,
    name text not null,
    creator jsonb not null,
    overrides jsonb,
    state text not null default 'new' check (state in
        ('new', 'downloading', 'building', 'uploading', 'verifying', 'saving', 'live', 'deleting', 'deleted')),
    state_since timestamptz not null default now(),
    error jsonb,

    -- the import that is wanted, and who is at it
    requested_at timestamptz,
    pin jsonb,
    attempt bigint not null default 0,
    tries integer not null default 0,
    failures integer not null default 0,
    lapses integer not null default 0,
    retry_at timestamptz,
    lease_owner text,
    lease_until timestamptz,

    -- a staged archive, for uploads
    upload_hash bytea,
    upload_expires timestamptz,
    upload_digest text,
    upload_size bigint,
    import_after_upload boolean not null default false,

    -- what came of it
    flat jsonb,
    warnings jsonb not null default '[]',
    platform text,
    manifest_digest text,
    diff_id text,
    config jsonb,
    verified text,
    size bigint,
    last_used timestamptz,

    created_at timestamptz not null default now(),
    last_requested_at timestamptz,
    live_at timestamptz,
    deleted_at timestamptz
);

create index image_hub on image (hub_id, created_at desc);
create index image_source_live on image (source_id, live_at desc) where state = 'live';
-- Small whatever the number of images kept: only rows somebody still has to work on.
create index image_work on image (requested_at) where requested_at is not null;
create index image_leased on image (hub_id) where lease_until is not null;
create index image_deleting on image (id) where state = 'deleting';
