# SPDX-License-Identifier: LGPL-2.1-or-later
"""nginx: plain, TLS 1.3, TLS 1.2 and HTTP/2; it closes what is idle for ten seconds. Slow downloads besides."""
import http.client
import re

from zoo import keeper

CONFIGURATION = """\
daemon off;
master_process on;
worker_processes 2;
pid {folder}/pid;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    keepalive_timeout {keepalive};
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    ssl_certificate {home}/cert.pem;
    ssl_certificate_key {home}/key.pem;
    server {{ listen 8080; include {folder}/locations; }}
    server {{ listen 8443 ssl; ssl_protocols TLSv1.3; include {folder}/locations; }}
    server {{ listen 8444 ssl; ssl_protocols TLSv1.2; include {folder}/locations; }}
    server {{ listen 8445 ssl http2; include {folder}/locations; }}
}}
"""
LOCATIONS = """\
location / {{ return 200 "hello\\n"; }}
location /big {{ root {folder}; }}
location /slow {{ alias {folder}/big; limit_rate 40k; }}
location /app {{ proxy_pass http://127.0.0.1:8100; }}
location /status {{ stub_status; }}
"""


class Nginx(keeper.Animal):
    period = 1
    keepalive = "10s"

    def start(self):
        folder = self.keeper.folder("nginx-data")
        for name, text in (("nginx.conf", CONFIGURATION), ("locations", LOCATIONS)):
            (folder / name).write_text(text.format(folder=folder, home=keeper.HOME,
                                                        keepalive=self.keepalive))
        (folder / "big").write_bytes(bytes(300000))
        self.process = self.keeper.spawn("nginx", keeper.HOME / "nginx/usr/sbin/nginx", "-c", folder / "nginx.conf",
                                         "-p", folder, "-e", "stderr")
        self.slow = 0

    def ready(self):
        return self.listening(8080, 8443, 8444, 8445)

    def begin(self):
        # A patient client with a slow line, over and over: Send-Q is never empty there.
        self.keeper.spawn("slow-client", "/usr/bin/python3", keeper.HOME / "programs/slow_client.py",
                          f"http://{self.keeper.host}:8080/slow", client=True)

    def requests(self):
        connection = http.client.HTTPConnection("127.0.0.1", 8080, timeout=10)
        connection.request("GET", "/status")
        text = connection.getresponse().read().decode()
        connection.close()
        return int(re.search(r"^ \d+ \d+ (\d+)", text, re.M)[1])

    def busy(self):
        self.served = self.requests()

    def work(self):
        return {"requests": getattr(self, "served", 0),
                "slow bytes": self.keeper.report("slow-client").get("bytes", 0)}
