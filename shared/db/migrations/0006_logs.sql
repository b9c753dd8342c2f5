-- Build logs in compressed blocks, addressable by offset. A log is closed exactly once for each import asked for.
create table image_log (
    image_id text primary key references image,
    next_offset bigint not null default 0,
    outcome text, -- set with the transition that ended the import; closing waits for the lines before it
    closed_at timestamptz
);

create table image_log_block (
    image_id text not null references image_log,
    first_offset bigint not null,
    lines integer not null,
    body bytea not null,
    primary key (image_id, first_offset)
);

-- How far each attempt and stage has been kept, and where it ended.
create table image_log_cursor (
    image_id text not null references image_log,
    attempt bigint not null,
    stage text not null,
    next_seq bigint not null default 1,
    end_seq bigint,
    primary key (image_id, attempt, stage)
);

create index image_log_open on image_log (image_id) where outcome is not null and closed_at is null;
