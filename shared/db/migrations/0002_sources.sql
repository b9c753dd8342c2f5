-- Image sources. `origin` never holds a secret: those are sealed one by one in `secrets` (field -> sealed text).
create table image_source (
    id text primary key,
    hub_id text not null references hub,
    identifier text not null,
    name text not null,
    origin jsonb not null,
    secrets jsonb not null default '{}',
    flat jsonb not null default '{}',
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    deleted_at timestamptz
);

create unique index image_source_identifier on image_source (hub_id, identifier) where deleted_at is null;
create index image_source_origin on image_source (hub_id, (origin ->> 'type')) where deleted_at is null;
