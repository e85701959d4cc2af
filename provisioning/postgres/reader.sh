#!/usr/bin/env bash
# Run once by the PostgreSQL image, when the database is made: the role Grafana reads with. It may log in and
# nothing else; the exporter grants it the views.
set -euo pipefail
psql --set=ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" \
    --set=password="$(cat /run/secrets/postgres_reader_password)" <<'SQL'
CREATE ROLE grafana_reader LOGIN PASSWORD :'password' CONNECTION LIMIT 20;
ALTER ROLE grafana_reader SET default_transaction_read_only = on;
ALTER ROLE grafana_reader SET statement_timeout = '30s';
REVOKE ALL ON SCHEMA public FROM PUBLIC;
SQL
