"""How gunicorn serves the app: `gunicorn -c deploy/gunicorn.conf.py wsgi:app`."""

import os

bind = os.environ.get("BIND", "127.0.0.1:8000")  # only nginx is to reach it: whom it tells to be the client, is
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
worker_class = "gthread"
threads = 8
preload_app = True  # the settings and the model are loaded once, and what is wrong with them stops the start
timeout = 30
keepalive = 75  # nginx keeps an idle connection for 60 seconds: who closes it first may close it on a request
graceful_timeout = 30
keepalive = 75  # nginx keeps an idle connection for 60 seconds: who closes it first may close it on a request
accesslog = None  # the app has a log of its own, without query strings
errorlog = "-"
control_socket_disable = True
