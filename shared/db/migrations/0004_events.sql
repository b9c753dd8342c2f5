-- The outbox: a change of state and the event that tells of it are one transaction. Sent rows stay as the ledger.
create table outbox (
    id uuid primary key,
    hub_id text not null references hub,
    subject text not null,
    envelope jsonb not null,
    created_at timestamptz not null default now(),
    sent_at timestamptz,
    -- Place in the ledger, given when it was sent and in that order: commits arrive out of order, so the time of
    -- writing would let a reader miss events.
    cursor bigint unique
);

create index outbox_unsent on outbox (created_at) where sent_at is null;
create index outbox_ledger on outbox (hub_id, cursor) where cursor is not null;
create sequence outbox_cursor;

-- Requests from outside that were taken, by the key their sender (or the stream) gave them.
create table inbox (
    key text primary key,
    image_id text references image,
    taken_at timestamptz not null default now()
);

-- Messages that could not be understood, with the reason.
create table dead_letter (
    id text primary key,
    subject text not null,
    reason text not null,
    body bytea not null,
    created_at timestamptz not null default now()
);
