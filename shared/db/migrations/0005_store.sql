-- The index of the store. Objects are immutable and written before their rows say `live`.
create table pack (
    id text primary key,
    state text not null check (state in ('writing', 'live', 'dead')),
    size bigint,
    -- who writes it: a `writing` pack whose attempt is over is rubbish
    image_id text not null references image,
    attempt bigint not null,
    created_at timestamptz not null default now(),
    dead_at timestamptz
);

-- An import that found a chunk holds its pack while its lease lasts: "exists" without a hold means nothing. A factory
-- that vanishes lets go with its lease.
create table pack_hold (
    pack_id text not null references pack on delete cascade,
    image_id text not null references image,
    attempt bigint not null,
    primary key (pack_id, image_id)
);

create index pack_hold_image on pack_hold (image_id);

create index pack_writing on pack (image_id) where state = 'writing';

create table chunk (
    id bigint primary key generated always as identity,
    digest bytea not null,
    codec text not null,
    pack_id text not null references pack,
    "offset" bigint not null,
    length integer not null,
    plain integer not null,
    unique (digest, codec)
);

create index chunk_pack on chunk (pack_id);

-- A recipe is the ordered list of chunks whose concatenation is exactly the blob. It names chunks, not places in
-- packs, so that rewriting a pack changes no recipe.
create table recipe (
    id bigint primary key generated always as identity,
    digest text not null unique,
    diff_id text not null,
    codec text not null,
    size bigint not null,
    plain bigint not null,
    chunks bigint[] not null,
    -- the tree certificate read back from these bytes
    verified text,
    created_at timestamptz not null default now()
);

-- Manifests and configs: small, and needed whole.
create table document (
    digest text primary key,
    body bytea not null
);

-- What an image serves.
create table image_served (
    image_id text not null references image,
    digest text not null,
    kind text not null check (kind in ('manifest', 'config', 'layer')),
    media_type text not null,
    size bigint not null,
    primary key (image_id, digest, kind)
);

create index image_served_digest on image_served (digest);

-- How many images of a hub use a chunk. One table answers both "what does this hub use" (each chunk counted once)
-- and "is this chunk needed" (by any hub).
create table hub_chunk (
    chunk_id bigint not null references chunk,
    hub_id text not null references hub,
    images integer not null check (images > 0),
    primary key (chunk_id, hub_id)
);

create index hub_chunk_hub on hub_chunk (hub_id);
