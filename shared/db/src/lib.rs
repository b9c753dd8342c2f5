//! Rows, migrations and the outbox; the only room that says sqlx.
