"""Encrypt the model under the present key: `python -m iris.rotate_key`.

Before that, put the old key into model_key_previous, then the new one into model_key. Apps that run follow by
themselves.
"""

from iris import model_file
from iris.settings import IrisSettings


def rotate(settings: IrisSettings) -> tuple[str, str]:
    """The ids of the key before and of the one now."""
    content, before = model_file.read(settings.model_file, settings.model_keys)
    now = model_file.key_id(settings.model_keys[0])
    if now != before:
        model_file.write(settings.model_file, content, settings.model_keys[0])
    return before, now


if __name__ == "__main__":
    settings = IrisSettings.load()
    before, now = rotate(settings)
    told = f"was under the key {before}, now under {now}" if now != before else f"under the key {now} already"
    print(f"{settings.model_file}: {told}")
