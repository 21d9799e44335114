"""What a server serves: `gunicorn -c deploy/gunicorn.conf.py wsgi:app`."""

from iris.app import create_app

app = create_app()
