//! A private NATS and PostgreSQL for one machine.
