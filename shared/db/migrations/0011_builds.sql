-- Images that are built: what for, with which secrets (sealed, until the image is live or deleted), and by whom.
alter table image add column build jsonb;
alter table image add column secrets jsonb not null default '{}';
-- Set when it is pinned: builds have places of their own, so many for each hub.
alter table image add column is_build boolean not null default false;
create index image_to_build on image (requested_at)
    where is_build and requested_at is not null
        and state in ('new', 'downloading', 'building', 'uploading', 'verifying');

alter table image_source add column builder jsonb;

-- What a hub works with that is not Platen's own: image builders.
create table integration (
    id text primary key,
    hub_id text not null references hub,
    identifier text not null,
    name text not null,
    details jsonb not null,
    secrets jsonb not null default '{}',
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    deleted_at timestamptz
);
create unique index integration_identifier on integration (hub_id, identifier) where deleted_at is null;

-- What a builder hands over is known by its tar alone.
create index layer_index_tar on layer_index (diff_id);
