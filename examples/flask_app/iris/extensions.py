"""The extensions, made once and bound to each app by its factory."""

from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_login import LoginManager
from flask_wtf.csrf import CSRFProtect

from iris.settings import IrisSettings
from secretsource.flask import SecretSource

secrets: SecretSource[IrisSettings] = SecretSource()
login_manager = LoginManager()
csrf = CSRFProtect()
limiter = Limiter(get_remote_address, storage_uri="memory://")  # counts in each process; redis://... in all together
