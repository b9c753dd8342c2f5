-- No event waits longer than a minute.
select id::text || ' on ' || subject from outbox where sent_at is null and created_at < now() - interval '60 seconds'
