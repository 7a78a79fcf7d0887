"""The guest book: POST / with a text adds an entry, GET / lists them, GET /health asks the database."""
import http.server
import os
import sys

import psycopg2

with open(os.environ["DB_PASSWORD_FILE"]) as f:
    PASSWORD = f.read().strip()


def database():
    return psycopg2.connect(host=os.environ["DB_HOST"], dbname=os.environ["DB_NAME"], user="postgres",
                            password=PASSWORD, connect_timeout=3)


class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, status, text):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def query(self, sql, *args):
        with database() as db, db.cursor() as cursor:
            cursor.execute("create table if not exists entry (id serial primary key, text text not null)")
            cursor.execute(sql, args)
            return cursor.fetchall()

    def do_GET(self):
        rows = self.query("select id, text from entry order by id")
        self.answer(200, "ok\n" if self.path == "/health" else "".join(f"{i}: {t}\n" for i, t in rows))

    def do_POST(self):
        text = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        rows = self.query("insert into entry (text) values (%s) returning id", text)
        print(f"entry {rows[0][0]} written", flush=True)
        self.answer(201, f"{rows[0][0]}\n")

    def log_message(self, format, *args):
        pass


print("guest book at port 8000", flush=True)
try:
    http.server.ThreadingHTTPServer(("", 8000), Handler).serve_forever()
except KeyboardInterrupt:
    sys.exit(0)
