-- Each stage finds its next import without looking at those of the others, however many wait.
create index image_to_pin on image (requested_at)
    where requested_at is not null and state = 'new' and pin is null;
create index image_to_flatten on image (requested_at)
    where requested_at is not null and pin is not null
        and state in ('new', 'downloading', 'building', 'uploading', 'verifying');
create index image_to_verify on image (requested_at)
    where requested_at is not null and state = 'saving';
drop index image_work;

-- When a blob was first served whole, and found to be what its digest says.
alter table recipe add column read_at timestamptz;

-- Compressed bytes that an import may have to read: what is light need not wait behind what is not.
alter table image add column weight bigint not null default 0;
