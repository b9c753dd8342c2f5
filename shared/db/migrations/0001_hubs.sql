-- Every row has its hub from the first day: a hub is a tenant, and keys are how programs come in.
create table hub (
    id text primary key,
    identifier text not null unique,
    name text not null,
    storage_limit bigint, -- bytes; null for none
    created_at timestamptz not null default now()
);

-- Only the SHA-256 of a key is kept; the prefix is what people recognise it by.
create table api_key (
    id text primary key,
    hub_id text not null references hub,
    name text not null,
    prefix text not null,
    hash bytea not null unique,
    created_at timestamptz not null default now(),
    revoked_at timestamptz
);
