"""The guest book: POST / with a text adds an entry, GET / lists them, GET /health asks the database."""
import http.server
import os
import signal
import sys

import psycopg2

LONGEST = 4096
with open(os.environ["DB_PASSWORD_FILE"]) as f:
    PASSWORD = f.read().strip()


def query(sql, *args):
    db = psycopg2.connect(host=os.environ["DB_HOST"], dbname=os.environ["DB_NAME"], user="postgres",
                          password=PASSWORD, connect_timeout=3)
    try:
        with db, db.cursor() as cursor:
            cursor.execute(sql, args)
            return cursor.fetchall() if cursor.description else []
    finally:
        db.close()


class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, status, text):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def try_to(self, do):
        try:
            do()
        except psycopg2.Error as e:
            print(f"database: {e}".strip(), flush=True)
            self.answer(503, "the database does not answer\n")

    def do_GET(self):
        self.try_to(self.health if self.path == "/health" else self.show)

    def health(self):
        query("select 1")
        self.answer(200, "ok\n")

    def show(self):
        self.answer(200, "".join(f"{i}: {t}\n" for i, t in query("select id, text from entry order by id")))

    def do_POST(self):
        text = self.rfile.read(min(int(self.headers.get("Content-Length", 0)), LONGEST)).decode(errors="replace")
        self.try_to(lambda: self.add(text))

    def add(self, text):
        rows = query("insert into entry (text) values (%s) returning id", text)
        print(f"entry {rows[0][0]} written", flush=True)
        self.answer(201, f"{rows[0][0]}\n")

    def log_message(self, format, *args):
        pass


signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
query("create table if not exists entry (id serial primary key, text text not null)")
print("guest book at port 8000", flush=True)
http.server.ThreadingHTTPServer(("", 8000), Handler).serve_forever()
