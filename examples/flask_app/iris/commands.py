"""Commands for those who run the app: `python -m iris COMMAND`."""

from datetime import UTC, datetime

import click
from flask import Flask
from flask.cli import AppGroup
from sqlalchemy import select

from iris import database, passwords, tokens
from iris.database import Token, User, session
from iris.logs import audit
from iris.roles import ROLES

SHORTEST_PASSWORD = 12
users = AppGroup("users", help="Who may log in.")
api_tokens = AppGroup("tokens", help="Tokens of the API.")


def init_app(app: Flask) -> None:
    app.cli.add_command(users)
    app.cli.add_command(api_tokens)
    app.cli.command("create-tables")(create_tables)


def create_tables() -> None:
    """Create the tables that are not there yet."""
    database.create_tables()


def add_user(name: str, role: str, password: str) -> User:
    user = User(name=name, role=role, password_hash=passwords.hashed(password))
    session.add(user)
    session.commit()
    audit("user added", user=name, role=role)
    return user


def _user(name: str) -> User:
    user = session.scalar(select(User).where(User.name == name))
    if user is None:
        raise click.ClickException(f"there is no user {name}")
    return user


def _ask_password() -> str:
    """From the terminal: the arguments of a command can be seen by everybody on its machine."""
    password: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    if len(password) < SHORTEST_PASSWORD:
        raise click.ClickException(f"a password has {SHORTEST_PASSWORD} characters or more")
    return password


@users.command("add")
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), default="viewer", show_default=True)
def add(name: str, role: str) -> None:
    """Add a user."""
    if session.scalar(select(User).where(User.name == name)):
        raise click.ClickException(f"there is a user {name} already")
    add_user(name, role, _ask_password())


@users.command("list")
def list_users() -> None:
    """List users with their roles and tokens."""
    for user in session.scalars(select(User).order_by(User.name)):
        click.echo(f"{user.name}, {user.role}")
        for token in user.tokens:
            click.echo(f"    token {token.id}, until {datetime.fromtimestamp(token.expires, UTC):%Y-%m-%d}")


@users.command("password")
@click.argument("name")
def change_password(name: str) -> None:
    """Give a user another password, which ends his sessions."""
    user = _user(name)
    user.password_hash = passwords.hashed(_ask_password())
    user.end_sessions()
    session.commit()
    audit("password changed", user=name)


@users.command("remove")
@click.argument("name")
def remove(name: str) -> None:
    """Remove a user with his tokens."""
    session.delete(_user(name))
    session.commit()
    audit("user removed", user=name)


@api_tokens.command("add")
@click.argument("name")
@click.option("--days", type=click.IntRange(1, 366), default=90, show_default=True, help="How long it is good.")
def add_token(name: str, days: int) -> None:
    """Make a token for a user, and print it, this once."""
    token, text = tokens.issue(_user(name), days)
    session.commit()
    audit("token made", user=name, token=token.id)
    click.echo(text)


@api_tokens.command("revoke")
@click.argument("token_id")
def revoke(token_id: str) -> None:
    """Revoke a token, by the part between the underscores."""
    token = session.get(Token, token_id)
    if token is None:
        raise click.ClickException(f"there is no token {token_id}")
    session.delete(token)
    session.commit()
    audit("token revoked", token=token_id)
