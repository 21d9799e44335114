"""Flask's own commands and ours: `python -m iris users add NAME`, `python -m iris secrets explain`."""

from flask.cli import FlaskGroup

from iris.app import create_app

# The command `flask` would put .env into the environment, for every child process to inherit.
FlaskGroup(create_app=create_app, load_dotenv=False).main()
