#!/bin/sh
# Makes the database at the first start, then runs PostgreSQL as process 1.
set -eu
bin=$(ls -d /usr/lib/postgresql/*/bin | tail -n 1)
data=/var/lib/postgresql/gb
if [ ! -s "$data/PG_VERSION" ]; then
	rm -rf "$data.new"
	"$bin/initdb" -D "$data.new" --username=postgres --pwfile="$DB_PASSWORD_FILE" \
		--auth-local=trust --auth-host=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 >/dev/null
	echo "host all all all scram-sha-256" >>"$data.new/pg_hba.conf"
	printf 'create database %s;\n' "$DB_NAME" | "$bin/postgres" --single -D "$data.new" postgres >/dev/null
	mv "$data.new" "$data" # whole or not at all
fi
exec "$bin/postgres" -D "$data" -c listen_addresses='*' -c unix_socket_directories=/tmp
