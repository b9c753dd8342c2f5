-- A closed log holds every line up to its end, once.
select l.image_id || ' ends at ' || l.next_offset || ' but has ' || coalesce(b.lines, 0) || ' lines'
from image_log l
left join (select image_id, sum(lines) as lines, max(first_offset + lines) as last from image_log_block group by image_id) b
    on b.image_id = l.image_id
where l.closed_at is not null
  and (coalesce(b.lines, 0) <> l.next_offset or coalesce(b.last, 0) <> l.next_offset)
union all
select l.image_id || ' closed before attempt ' || c.attempt || ' of ' || c.stage || ' was kept'
from image_log l join image_log_cursor c on c.image_id = l.image_id
where l.closed_at is not null and c.end_seq >= c.next_seq
