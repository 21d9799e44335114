"""Train the model, and write it encrypted: `python -m iris.train`."""

import pickle

from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from iris import model_file
from iris.settings import IrisSettings


def train(settings: IrisSettings) -> None:
    flowers = load_iris()
    classifier = make_pipeline(StandardScaler(), LogisticRegression())
    classifier.fit(flowers.data, flowers.target_names[flowers.target])
    model_file.write(settings.model_file, pickle.dumps(classifier), settings.model_keys[0])


if __name__ == "__main__":
    settings = IrisSettings.load()
    train(settings)
    print(f"{settings.model_file}: trained, and encrypted with the key {model_file.key_id(settings.model_keys[0])}")
