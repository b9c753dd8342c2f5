-- What an import leaves behind so that the next one costs what changed.

-- The entries of a batch of small files, as a reader of its stored bytes found them (`flatten::proof`). Going live puts a
-- certificate together from these instead of reading the bytes again.
create table chunk_proof (
    chunk_id bigint primary key references chunk on delete cascade,
    proof bytea not null
);

-- The chunks that are exactly one large file's content and its padding, found so by reading them back.
create table content (
    digest bytea not null, -- BLAKE3 of the content, without its padding
    codec text not null,
    size bigint not null, -- bytes, without its padding
    chunks bigint[] not null,
    first bigint not null references chunk on delete cascade,
    primary key (digest, codec)
);

create index content_first on content (first);

-- The large contents of a recipe, in order; what lies between them is batches.
alter table recipe add contents bytea[] not null default '{}';

-- SHA-256 midstates of a blob and of its tar after a chain of chunks: whoever begins with the same chunks goes on from here.
create table checkpoint (
    chain bytea not null, -- see `db::store::checkpoint`
    recipe_id bigint not null references recipe on delete cascade,
    chunks integer not null, -- how many that are
    size bigint not null, -- bytes of the blob so far
    plain bigint not null, -- bytes of the tar so far
    blob bytea not null,
    diff bytea not null,
    version integer not null, -- of the form of the states
    primary key (chain, recipe_id)
);

create index checkpoint_recipe on checkpoint (recipe_id);

-- Layers that were read once, by the pair that reading them proved: entries, digests of contents, and where those were put.
create table layer_index (
    id bigint primary key generated always as identity,
    blob text not null,
    diff_id text not null,
    version integer not null, -- of its form and of the rules of reading
    body bytea not null,
    created_at timestamptz not null default now(),
    unique (blob, diff_id, version)
);

-- It is compressed already.
alter table layer_index alter column body set storage external;

-- A hub knows a layer while one of its images has it.
create table image_layer (
    image_id text not null references image,
    index_id bigint not null references layer_index,
    primary key (image_id, index_id)
);

create index image_layer_index on image_layer (index_id);
