"""The model: decrypted in memory only, and read anew when its file has changed."""

import logging
import pickle
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, NamedTuple, cast

from flask import Flask, current_app
from pydantic import BaseModel, Field

from iris import model_file
from iris.settings import IrisSettings
from secretsource import Live

log = logging.getLogger(__name__)
Centimetres = Annotated[float, Field(gt=0, lt=100, allow_inf_nan=False)]


class Flower(BaseModel, extra="forbid"):
    """What is measured."""

    sepal_length: Centimetres
    sepal_width: Centimetres
    petal_length: Centimetres
    petal_width: Centimetres


class Prediction(NamedTuple):
    """What it probably is."""

    species: str
    probability: float


@dataclass(frozen=True)
class Model:
    """A model in memory."""

    classifier: Any
    key_id: str
    loaded: datetime

    def predict(self, flower: Flower) -> Prediction:
        (chances,) = self.classifier.predict_proba([list(flower.model_dump().values())])
        best = chances.argmax()
        return Prediction(str(self.classifier.classes_[best]), round(float(chances[best]), 3))


class ModelFollower:
    """Has the model of the file as it is now.

    A file that cannot be used leaves the model before in place, and is told in the log.

    Raises:
        ModelFileError, OSError: There is no model before.
    """

    def __init__(self, live: Live[IrisSettings]) -> None:
        self._live, self._loading = live, threading.Lock()
        self._load = live.retry_on(model_file.UnknownKeyError)(self._load_once)  # the key may have come a moment ago
        self._seen = self._look()
        self._model = self._load()

    @property
    def current(self) -> Model:
        if self._look() != self._seen and self._loading.acquire(blocking=False):  # all others use the one before
            try:
                self._reload()
            finally:
                self._loading.release()
        return self._model

    def _look(self) -> object:
        try:
            status = self._live.current.model_file.stat()
        except FileNotFoundError:
            return None
        return status.st_mtime_ns, status.st_ino, status.st_size

    def _reload(self) -> None:
        self._seen = self._look()
        try:
            self._model = self._load()
            log.info("the model has been read anew, with the key %s", self._model.key_id)
        except (model_file.ModelFileError, OSError) as error:
            log.error("the model's file cannot be used, and the model before is kept: %s", error)  # noqa: TRY400 - that says it all

    def _load_once(self) -> Model:
        settings = self._live.current
        content, key = model_file.read(settings.model_file, settings.model_keys)
        # To unpickle is to run what is there. This is what we have pickled ourselves: whoever could make a file that
        # passes GCM's test has our key. Never unpickle what has not passed such a test.
        return Model(pickle.loads(content), key, datetime.now(UTC))


def init_app(app: Flask, live: Live[IrisSettings]) -> None:
    app.extensions["iris.model"] = ModelFollower(live)


def current() -> Model:
    """The current app's."""
    return cast("ModelFollower", current_app.extensions["iris.model"]).current
